// The net and its parts as classes: which module holds which layer, what they are called, and where every tensor of the graph lives.

import type { Graph, Node, Region, ValueId } from '../../2-graph/graph.ts';
import { batchFactor } from '../../2-graph/types.ts';
import { imageLayouts } from '../image-layout.ts';
import { commented } from './comments.ts';
import type { Sources } from './comments.ts';
import { keyOf, layersOf } from './layers.ts';
import type { Layer, LayerOp, Layers } from './layers.ts';
import { opsOf, suffixOf } from './ops.ts';
import type { Op } from './ops.ts';
import { isStored, outlineNets } from './outline.ts';
import { attributeName, indent, namer, quoted, variableName } from './python.ts';
import { routedValues, routingOf } from './routes.ts';
import { createUnit, layoutNode } from './unit.ts';
import type { Unit, UnitParts } from './unit.ts';

/** Where a tensor of the graph lives in the net's state dictionary. */
export interface Placed {
  readonly id: ValueId;
  readonly path: string;
}

export interface Classes {
  /** The classes' lines, the net's own last. */
  readonly lines: readonly string[];
  readonly name: string;
  readonly tensors: readonly Placed[];
  readonly routed: boolean;
  readonly batchnorm: boolean;
}

/** A cell's body, another net, or the net itself. */
interface Part {
  /** The region's name; the empty text for the net. */
  readonly key: string;
  readonly region: Region | undefined;
  readonly ops: readonly Op[];
  /** Layers and parts that its operations use, by key, in the order of their first use. */
  readonly members: readonly string[];
}

const NET = '';
const layerKey = (op: LayerOp): string => `layer ${keyOf(op)}`;
const partKey = (region: string): string => `part ${region}`;

const isLayer = (op: Op): op is LayerOp => op.kind === 'layer' || op.kind === 'norm';
const memberOf = (op: Op): string | undefined => (isLayer(op) ? layerKey(op) : op.node.kind === 'call' ? partKey(op.node.attrs.region) : undefined);

/**
 * The classes of a graph for training, before all passes. `taken` are names of classes that the file defines besides.
 * Throws RangeError for what PyTorch cannot do.
 */
export function classesOf(whole: Graph, sources: Sources, taken: readonly string[]): Classes {
  const graph = outlineNets(whole, routedValues(whole));
  const stored = new Map(graph.nodes.filter(isStored).map((node) => [node.id, node]));
  const wanted = [...graph.outputs.map(({ value }) => value), ...(graph.loss === undefined ? [] : [graph.loss]), ...(graph.classifier ? [graph.classifier.correct] : [])];
  const partOf = (key: string, nodes: readonly Node[], results: readonly ValueId[], region?: Region): Part => {
    const ops = opsOf(nodes, results, stored).filter(({ node }) => !['input', 'labels'].includes(node.kind));
    return { key, region, ops, members: [...new Set(ops.flatMap((op) => memberOf(op) ?? []))] };
  };
  const net = partOf(NET, graph.nodes, wanted);
  const parts = new Map([net, ...graph.regions.map((region) => partOf(partKey(region.name), region.nodes, [region.result], region))].map((part) => [part.key, part]));
  const types = new Map([...graph.nodes, ...graph.regions.flatMap(({ params, nodes }) => [...params, ...nodes])].map(({ id, type }) => [id, type]));
  const layerOps = [...parts.values()].flatMap(({ ops }) => ops.filter(isLayer));
  const layers = layersOf(whole, layerOps, (id) => types.get(id));
  const layerByKey = new Map(layerOps.map((op) => [layerKey(op), layers.of(op)]));
  const tree = ownership([...parts.values()]);

  const names = namer(taken);
  const netName = names(graph.name);
  const bodies = new Map<string, string>();
  const lines: string[] = [];
  const placed: Placed[] = [];
  const context: Context = { graph, stored, layers, layerByKey, parts, tree, sources };

  /** Writes the classes of a part, inner ones first, and gives the name of its own. */
  const classes = new Map<string, Written>();
  const write = (part: Part): Written => {
    const known = classes.get(part.key);
    if (known) return known;
    const inner = part.members.flatMap((key) => parts.get(key) ?? []).map((member) => [member.key, write(member).name] as const);
    const written = part.region ? partClass(part, part.region, new Map(inner), context) : netClass(part, new Map(inner), context);
    const body = written.lines.join('\n');
    const name = part.region ? (bodies.get(body) ?? names(classNameOf(part.region.name, parts))) : netName;
    if (!bodies.has(body)) lines.push(`class ${name}(nn.Module):`, ...indent(written.lines), '', '');
    bodies.set(body, name);
    const result = { name, members: written.members };
    classes.set(part.key, result);
    return result;
  };
  write(net);

  const place = (part: Part, prefix: string): void => {
    for (const [key, attribute] of classes.get(part.key)?.members ?? []) {
      if (tree.owner.get(key) !== part.key) continue;
      const inner = parts.get(key);
      if (inner) place(inner, `${prefix}${attribute}.`);
      for (const { id, parameter } of layerByKey.get(key)?.tensors ?? []) placed.push({ id, path: `${prefix}${attribute}.${parameter}` });
    }
  };
  place(net, '');
  return { lines, name: netName, tensors: placed, routed: graph.routes.length > 0, batchnorm: [...layerByKey.values()].some(({ kind }) => kind === 'batchnorm') };
}

interface Context {
  readonly graph: Graph;
  readonly stored: ReadonlyMap<ValueId, Node>;
  readonly layers: Layers;
  readonly layerByKey: ReadonlyMap<string, Layer>;
  readonly parts: ReadonlyMap<string, Part>;
  readonly tree: Tree;
  readonly sources: Sources;
}

interface Written {
  readonly name: string;
  /** The attributes of its members. */
  readonly members: ReadonlyMap<string, string>;
}

interface Tree {
  /** The part that holds a layer or another part: the only one that uses it, or else the net. */
  readonly owner: ReadonlyMap<string, string>;
  /** What a part is given when it is made. */
  readonly given: (key: string) => readonly string[];
}

function ownership(parts: readonly Part[]): Tree {
  const users = new Map<string, Set<string>>();
  for (const part of parts) for (const member of part.members) users.set(member, new Set([...(users.get(member) ?? []), part.key]));
  const owner = new Map([...users].map(([member, of]) => [member, of.size === 1 ? ([...of][0] ?? NET) : NET]));
  const byKey = new Map(parts.map((part) => [part.key, part]));
  const given = (key: string): string[] => {
    const members = byKey.get(key)?.members ?? [];
    const inner = members.filter((member) => owner.get(member) === key).flatMap((member) => (byKey.has(member) ? given(member) : []));
    return [...new Set([...members, ...inner])].filter((member) => owner.get(member) !== key);
  };
  return { owner, given };
}

/** `L.1` of a convolution as `conv1` within the stream, and as `L_conv1` in the net; a layer with a name of its own keeps it. */
function layerName({ key, kind }: Layer, whole: boolean): string {
  const parts = suffixOf(key).split('.');
  const last = parts.pop() ?? '';
  const own = /^\d+$/.test(last) ? `${kind}${last}` : last;
  return attributeName([...(whole ? parts : []), own].join('_'));
}

const lowerFirst = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);
const upperFirst = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** A region's name without the numbers that tell uses apart. */
const plainName = (region: string): string[] => region.replace(/(:\d+)?#\d+$/, '').split('.');

/** Streams by which a cell's region is called. */
const streamsOf = (region: string, parts: ReadonlyMap<string, Part>): Set<string | undefined> =>
  new Set([...parts.values()].flatMap(({ ops }) => ops.flatMap(({ node }) => (node.kind === 'call' && node.attrs.region === region ? [node.tags.stream] : []))));

/** `Recurrent.L` as `L`, a shared `Eye` as `eye`, `Block.1` as `block1`. */
function partName(region: string, parts: ReadonlyMap<string, Part>): string {
  const names = plainName(region);
  const last = names.at(-1) ?? '';
  const streams = streamsOf(region, parts);
  if (streams.size === 1 && streams.has(last)) return attributeName(last);
  return attributeName(/^\d+$/.test(last) ? lowerFirst(`${names.at(-2) ?? ''}${last}`) : lowerFirst(last));
}

/** `Recurrent.L` as `Recurrent`, `Block.1` as `Block`. */
function classNameOf(region: string, parts: ReadonlyMap<string, Part>): string {
  const names = plainName(region);
  const last = names.at(-1) ?? '';
  const inner = /^\d+$/.test(last) || (names.length > 1 && streamsOf(region, parts).has(last));
  return upperFirst(variableName((inner ? names.at(-2) : last) ?? ''));
}

/** The attributes of a part's members, and the lines that make them. */
function membersOf(part: Part, classes: ReadonlyMap<string, string>, { layerByKey, parts, tree }: Context): { names: Map<string, string>; given: readonly string[]; lines: string[] } {
  const fresh = namer();
  const nameOf = (key: string): string => {
    const layer = layerByKey.get(key);
    return fresh(layer ? layerName(layer, part.key === NET || tree.owner.get(key) === NET) : partName(key.slice(partKey('').length), parts));
  };
  const given = tree.given(part.key);
  const names = new Map([...given, ...part.members.filter((key) => !given.includes(key))].map((key) => [key, nameOf(key)]));
  // Modules that are shared by parts come before the parts that take them.
  const everywhere = part.key === NET ? [...tree.owner].flatMap(([key, owner]) => (owner === NET && !names.has(key) ? [key] : [])) : [];
  for (const key of everywhere) names.set(key, nameOf(key));
  const own = [...names.keys()].filter((key) => !given.includes(key));
  const ordered: string[] = [];
  const add = (key: string): void => {
    if (ordered.includes(key) || !own.includes(key)) return;
    for (const each of parts.has(key) ? tree.given(key) : []) add(each);
    ordered.push(key);
  };
  own.forEach(add);
  const made = ordered.map((key) => {
    const constructor = layerByKey.get(key)?.constructor ?? `${classes.get(key) ?? ''}(${tree.given(key).map((each) => `self.${names.get(each) ?? ''}`).join(', ')})`;
    return `self.${names.get(key) ?? ''} = ${constructor}`;
  });
  return { names, given, lines: [...given.map((key) => `self.${names.get(key) ?? ''} = ${names.get(key) ?? ''}`), ...made] };
}

function unitOf(part: Part, params: UnitParts['params'], names: ReadonlyMap<string, string>, { layers, stored }: Context, more: Pick<UnitParts, 'routing' | 'returns' | 'wished'>): Unit {
  return createUnit({
    ops: part.ops,
    params,
    stored,
    layer: (op, scope) => layers.call(op, `self.${names.get(layerKey(op)) ?? ''}`, scope),
    module: (node) => names.get(partKey(node.attrs.region)) ?? '',
    ...more,
  });
}

const initialiser = (given: readonly string[], lines: readonly string[]): string[] => [
  `def __init__(${['self', ...given.map((name) => `${name}: nn.Module`)].join(', ')}) -> None:`,
  ...indent(['super().__init__()', ...lines]),
  '',
];

/** A cell's own names for its input and state; those of a net's inputs are gone. */
function paramName({ name, params }: Region, i: number, parts: ReadonlyMap<string, Part>): string {
  const isCell = [...streamsOf(name, parts)].some((stream) => stream !== undefined);
  if (!isCell) return 'x';
  const outlined = name.includes('#');
  return outlined ? (i === params.length - 1 ? 'h' : 'x') : variableName(params[i]?.id ?? 'x');
}

/** The class of a cell, or of another net that is used as a function. */
function partClass(part: Part, region: Region, classes: ReadonlyMap<string, string>, context: Context): { lines: string[]; members: Map<string, string> } {
  const { names, given, lines } = membersOf(part, classes, context);
  const fresh = namer();
  const params = region.params.map(({ id, type }, i) => ({ id, type, name: fresh(paramName(region, i, context.parts)) }));
  const unit = unitOf(part, params, names, context, { returns: region.result });
  unit.run(part.ops);
  const result = unit.value(region.result, region.nodes.find(({ id }) => id === region.result)?.type.shape.length === 4 ? 'nchw' : undefined);
  const last = region.nodes.find(({ id }) => id === region.result)?.locs[0];
  unit.push(`return ${result.text}`, last);
  return {
    members: names,
    lines: [
      ...(lines.length === 0 ? [] : initialiser(given.map((key) => names.get(key) ?? ''), lines)),
      `def forward(self, ${params.map(({ name }) => `${name}: Tensor`).join(', ')}) -> Tensor:`,
      ...indent(commented(unit.lines, context.sources)),
    ],
  };
}

/** The class of the net itself. */
function netClass(part: Part, classes: ReadonlyMap<string, string>, context: Context): { lines: string[]; members: Map<string, string> } {
  const { graph, sources } = context;
  const { names, lines } = membersOf(part, classes, context);

  const inputs = graph.nodes.filter((node) => node.kind === 'input');
  const labels = graph.nodes.filter((node) => node.kind === 'labels');
  const repeated = labels.filter(({ type }) => type.shape[0] !== 'B');
  const nameOfLabels = (node: Node<'labels'>): string => (!repeated.includes(node) ? 'labels' : repeated.length === 1 ? 'targets' : `targets_${batchFactor(node.type.shape[0] ?? 1)}`);
  const params = [...inputs.map(({ id, type }) => ({ id, type, name: variableName(id) })), ...labels.map((node) => ({ id: node.id, type: node.type, name: nameOfLabels(node) }))];
  const layouts = imageLayouts([...inputs, ...context.stored.values(), ...part.ops.map(layoutNode)], 'nchw');
  const ops = predictionFirst(graph, part.ops);
  const routing = graph.routes.length === 0 ? undefined : routingOf(graph, [...ops.prediction, ...ops.rest], (id) => layouts.get(id) ?? 'nhwc');
  const wished = new Map([...(graph.loss === undefined ? [] : [[graph.loss, 'loss'] as const]), ...(graph.classifier ? [[graph.classifier.correct, 'correct'] as const] : [])]);
  const unit = unitOf({ ...part, ops: [...ops.prediction, ...ops.rest] }, params, names, context, { wished, ...(routing && { routing }) });
  const given = graph.outputs.filter(({ value }) => !ops.rest.some(({ node }) => node.id === value));
  unit.keep(graph.outputs.map(({ value }) => value));
  if (routing) unit.push('routes = Routes()');
  unit.run(ops.prediction);
  const dictionary = (outputs: Graph['outputs']): string => `{${outputs.map(({ name, value }) => `${quoted(name)}: ${unit.value(value, 'nchw').text}`).join(', ')}}`;
  unit.push(`outputs = ${dictionary(given)}`);
  if (graph.loss !== undefined) {
    unit.push('if labels is None:\n    return Result(outputs)');
    unit.keep([graph.loss, ...(graph.classifier ? [graph.classifier.correct] : [])]);
    for (const node of repeated) {
      // In evaluation an image enters once, whatever the view.
      const view = inputs.find(({ type }) => type.shape[0] === node.type.shape[0]);
      const times = view ? `len(${variableName(view.id)}) // len(labels)` : String(batchFactor(node.type.shape[0] ?? 1));
      unit.push(`${nameOfLabels(node)} = labels.repeat(${times})  # all of the first readings come first`);
    }
    unit.run(ops.rest);
    const late = graph.outputs.filter((output) => !given.includes(output));
    if (late.length > 0) unit.push(`outputs.update(${dictionary(late)})`);
    const correct = graph.classifier ? [unit.value(graph.classifier.correct).text] : [];
    unit.push(`return Result(${['outputs', unit.value(graph.loss).text, ...correct].join(', ')})`);
  } else unit.push('return Result(outputs)');
  const takes = [...inputs.map(({ id }) => `${variableName(id)}: Tensor`), ...(graph.loss === undefined ? [] : ['labels: Tensor | None = None'])];
  return { members: names, lines: [...initialiser([], lines), `def forward(self, ${takes.join(', ')}) -> Result:`, ...indent(commented(unit.lines, sources))] };
}

/** What the outputs need without any labels, and what only the loss needs. */
function predictionFirst(graph: Graph, ops: readonly Op[]): { prediction: Op[]; rest: Op[] } {
  const labelled = new Set(graph.nodes.filter(({ kind }) => kind === 'labels').map(({ id }) => id));
  for (const { node, inputs } of ops) if (inputs.some((input) => labelled.has(input))) labelled.add(node.id);
  const needed = new Set(graph.outputs.map(({ value }) => value).filter((id) => !labelled.has(id)));
  for (const { node, inputs } of ops.toReversed()) if (needed.has(node.id)) for (const input of inputs) needed.add(input);
  return { prediction: ops.filter(({ node }) => needed.has(node.id)), rest: ops.filter(({ node }) => !needed.has(node.id)) };
}
