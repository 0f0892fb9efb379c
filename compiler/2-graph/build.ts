// AST to graph: the nets of a program, one by one.

import type { Item, Net } from '../1-syntax/ast.ts';
import type { Code, Diagnostic, Loc } from '../diagnostics.ts';
import { diagnostic, hasErrors } from '../diagnostics.ts';
import { suggestion } from './build/arguments.ts';
import { buildRoutes } from './build/backward.ts';
import { named } from './build/cells.ts';
import type { Context, Library, Observer } from './build/context.ts';
import { createContext, emit, TooLarge } from './build/context.ts';
import { outerIds, reachable } from './build/liveness.ts';
import { buildItems, LANGUAGE } from './build/nets.ts';
import { readSettings } from './build/settings.ts';
import { unusedNames } from './build/unused.ts';
import { lastLayers, narrowed, paced } from './build/width.ts';
import type { Graph, Node, ValueId } from './graph.ts';
import { isLeaf } from './ops.ts';
import type { Program } from './imports.ts';

export { loadProgram, memoryReader } from './imports.ts';
export type { LoadedFile, Program, Reader } from './imports.ts';
export type { Fact, Library, Observer } from './build/context.ts';
export { applySetting, DEFAULT_SETTINGS, OPTIMIZERS, SCHEDULES, SETTINGS } from './build/settings.ts';

export interface BuildOptions {
  readonly mode: 'train' | 'evaluate';
  /** Scales every channel and unit count but those of the last layers, and with them deviations and Adam's learning rate. */
  readonly width?: number;
}

export interface Built {
  /** Absent where there are errors. */
  readonly graph?: Graph;
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Builds the net of a name, or the only net of the program's main file. Mistakes of the user are diagnostics, never exceptions;
 * those of reading and syntax are the program's own, and with them no graph is built.
 */
export function buildNet(program: Program, name: string | undefined, options: BuildOptions): Built {
  const { main } = program;
  if (!main) return { diagnostics: [] };
  const chosen = chooseNet(program, name);
  if ('code' in chosen) return { diagnostics: [chosen] };
  if (hasErrors(program.diagnostics)) return { diagnostics: [] };
  const { width = 1 } = options;
  const full = assemble(chosen, main.library, options.mode);
  if (width === 1 || !full.graph) return full;
  const last = lastLayers(full.graph, full.scaled);
  const narrow = assemble(chosen, main.library, options.mode, { scale: (call, channels) => (last.has(call) ? channels : narrowed(channels, width)) });
  return narrow.graph ? { ...narrow, graph: paced(narrow.graph, full.graph, width) } : narrow;
}

/** A net of a program's main file as it was built for a check. */
export interface CheckedNet extends Built {
  readonly net: Net;
  /** Nets that it uses as functions. */
  readonly used: ReadonlySet<Net>;
}

/** Builds a net for training, with whatever else is wrong in its program. */
export const checkNet = (program: Program, net: Net, observe?: Observer): CheckedNet => ({
  net,
  ...assemble(net, program.main?.library ?? { nets: new Map(), cells: new Map() }, 'train', { observe }),
});

/** All that is wrong, doubtful or worth a note in a program, in the order of its files. `built` are the nets of its main file. */
export function checkProgram(program: Program, built = (program.main?.ast.nets ?? []).map((net) => checkNet(program, net))): Diagnostic[] {
  const { main } = program;
  if (!main) return [...program.diagnostics];
  const broken = hasErrors(program.diagnostics);
  const used = new Set(built.flatMap((each) => [...each.used]));
  const excused = (net: Net): readonly Code[] => (holdsCells(net) ? ['ZZ2014', 'ZZ2015', 'ZZ2105'] : used.has(net) ? ['ZZ2105'] : []);
  const found = built.flatMap(({ net, diagnostics }) => diagnostics.filter(({ code }) => !excused(net).includes(code)));
  const none = main.ast.nets.length === 0 && !broken ? [noNet(program)] : [];
  // Where the syntax is broken, what is missing may have been swallowed by the recovery: only errors that stand by themselves remain.
  const kept = broken ? found.filter(({ severity, code }) => severity === 'error' && !['ZZ2014', 'ZZ2015', 'ZZ4010'].includes(code)) : found;
  return sorted(program, unique([...program.diagnostics, ...none, ...kept]));
}

/** A net of cells alone is there to be imported: it is sound, though nothing can be made of it by itself. */
const holdsCells = ({ items }: Net): boolean => items.length > 0 && items.every(({ kind }) => kind === 'cell');

const startOf = (file: string): Loc => ({ file, line: 1, column: 1, span: { start: 0, end: 0 } });

const noNet = (program: Program): Diagnostic => diagnostic('ZZ2012', startOf(program.main?.source.file ?? ''), 'the file defines no net');

function chooseNet(program: Program, name: string | undefined): Net | Diagnostic {
  const nets = program.main?.ast.nets ?? [];
  const [only, ...more] = nets;
  const names = nets.map((net) => net.name.name);
  if (!only) return noNet(program);
  if (name === undefined) return more.length === 0 ? only : diagnostic('ZZ2013', only.name.loc, `the file has ${names.length} nets: ${names.join(', ')}`);
  return nets.find((net) => net.name.name === name) ?? diagnostic('ZZ2001', startOf(program.main?.source.file ?? ''), `no net is called '${name}'; the file has ${names.join(', ')}`, suggestion(name, names));
}

/** Mistakes in a cell are found once per stream and step, but told once. */
const unique = (diagnostics: readonly Diagnostic[]): Diagnostic[] => [
  ...new Map([...diagnostics].reverse().map((each) => [`${each.code} ${each.loc.file} ${each.loc.span.start} ${each.loc.span.end}`, each])).values(),
].reverse();

function sorted(program: Program, diagnostics: readonly Diagnostic[]): Diagnostic[] {
  const order = new Map(program.files.map(({ source }, i) => [source.file, i]));
  const place = ({ loc }: Diagnostic): number => order.get(loc.file) ?? order.size;
  return [...diagnostics].sort((a, b) => place(a) - place(b) || a.loc.span.start - b.loc.span.start);
}

interface Assembled extends Built {
  readonly scaled: Context['workshop']['scaled'];
  readonly used: ReadonlySet<Net>;
}

function assemble(net: Net, library: Library, mode: BuildOptions['mode'], more: Pick<Context, 'scale' | 'observe'> = {}): Assembled {
  const found: Diagnostic[] = [];
  const c = createContext({
    mode,
    library,
    nets: [`${net.loc.file} ${net.name.name}`],
    report: (each) => void found.push(each),
    language: LANGUAGE,
    ...more,
  });
  const graph = attemptGraph(c, net, found);
  const { scaled, used } = c.workshop;
  return { diagnostics: unique(found), scaled, used, ...(graph && !hasErrors(found) && { graph }) };
}

function attemptGraph(c: Context, net: Net, found: readonly Diagnostic[]): Graph | undefined {
  try {
    return makeGraph(c, net, found);
  } catch (error) {
    if (error instanceof TooLarge) return undefined;
    // Nets in nets multiply the depth that the parser allows each expression.
    if (!(error instanceof RangeError && error.message.includes('call stack'))) throw error;
    c.report(diagnostic('ZZ1005', net.name.loc, `${net.name.name} and the nets it uses are nested too deeply`));
    return undefined;
  }
}

function makeGraph(c: Context, net: Net, found: readonly Diagnostic[]): Graph {
  const draft = buildItems(c, net);
  const train = readSettings(draft.train, c.report);
  checkParts(c, net);
  const loss = draft.losses.map(({ value }) => value).reduce<ValueId | undefined>((sum, value, i) => {
    const loc = draft.losses[i]?.loc ?? net.loc;
    return sum === undefined ? value : emit(c, loc, 'add', [sum, value], {});
  }, undefined);
  // With errors about, values that the loss should depend on may be missing.
  const routes = c.mode === 'train' && !hasErrors(found.filter(({ code }) => code !== 'ZZ2015')) ? buildRoutes(c, loss) : [];
  const outputs = draft.outputs.flatMap(({ name, value }) => (value.kind === 'tensor' ? [{ name: name.name, value: value.id }] : []));
  const classifier = addClassifier(c, loss, outputs);
  const live = trim(c, {
    name: net.name.name,
    mode: c.mode,
    nodes: named(c.workshop.builder.nodes(), c.target.names),
    regions: c.workshop.regions,
    outputs,
    ...(loss !== undefined && { loss }),
    ...(classifier && { classifier }),
    routes,
    gradients: [],
    updates: [],
    views: [...c.workshop.views.values()],
    train,
  });
  if (!hasErrors(found)) unusedNames(c, net, live);
  return renumber(leavesFirst(live));
}

/** Reports what every net needs. */
function checkParts(c: Context, net: Net): void {
  const has = (kind: Item['kind']): boolean => net.items.some((item) => item.kind === kind);
  if (!has('input')) c.report(diagnostic('ZZ2014', net.name.loc, `'${net.name.name}' has no input`));
  if (!has('output')) c.report(diagnostic('ZZ2015', net.name.loc, `'${net.name.name}' has no output`));
  if (!has('loss')) c.report(diagnostic('ZZ2105', net.name.loc, `'${net.name.name}' has no loss, so it cannot be trained`));
}

/** Counts the right answers of the class scores that the loss depends on: of the first that are an output, or else of the first. */
function addClassifier(c: Context, loss: ValueId | undefined, outputs: Graph['outputs']): Graph['classifier'] {
  if (loss === undefined || c.workshop.logits.length === 0) return undefined;
  const live = reachable(c.workshop.builder.nodes(), [loss]);
  const scores = c.workshop.logits.filter(({ logits, labels }) => live.has(logits) && live.has(labels));
  const first = scores.find(({ logits }) => outputs.some(({ value }) => value === logits)) ?? scores[0];
  return first && { logits: first.logits, correct: emit(c, first.loc, 'count_correct', [first.logits, first.labels], {}) };
}

/** Leaves out what reaches no output, loss, route or running statistic in use. */
function trim(c: Context, graph: Graph): Graph {
  const { nodes, regions } = graph;
  const results = [
    ...graph.outputs.map(({ value }) => value),
    ...(graph.loss === undefined ? [] : [graph.loss]),
    ...(graph.classifier ? [graph.classifier.correct] : []),
    ...graph.routes.flatMap(({ target, value }) => [target, value]),
  ];
  const wanted = reachable(nodes, results, regions);
  const updates = [...c.workshop.updates].flatMap(([target, { value, evidence }]) => (evidence.some((id) => wanted.has(id)) ? [{ target, value }] : []));
  const live = updates.length === 0 ? wanted : reachable(nodes, [...wanted, ...updates.flatMap(({ target, value }) => [target, value])], regions);
  const kept = nodes.filter(({ id }) => live.has(id));
  const called = new Set(kept.flatMap((node) => (node.kind === 'call' ? [node.attrs.region] : [])));
  return { ...graph, nodes: kept, regions: regions.filter(({ name }) => called.has(name)), updates, views: graph.views.filter(({ name }) => live.has(name)) };
}

/** What the runtime fills in comes first, in the order of its first use. */
function leavesFirst(graph: Graph): Graph {
  const first = (node: Node): boolean => isLeaf(node.kind) && node.kind !== 'constant' && node.kind !== 'random';
  return { ...graph, nodes: [...graph.nodes.filter(first), ...graph.nodes.filter((node) => !first(node))] };
}

/** Numbers the values without names in order, in the graph and in each region. */
function renumber(graph: Graph): Graph {
  const ids = numbering(graph.nodes);
  const id = (old: ValueId): ValueId => ids.get(old) ?? old;
  return {
    ...graph,
    nodes: renamed(graph.nodes, id),
    regions: graph.regions.map((region) => {
      const outer = new Set(outerIds(region));
      const own = numbering(region.nodes);
      const inner = (old: ValueId): ValueId => (outer.has(old) ? old : (own.get(old) ?? old));
      return { ...region, nodes: renamed(region.nodes, inner), result: inner(region.result) };
    }),
    outputs: graph.outputs.map(({ name, value }) => ({ name, value: id(value) })),
    ...(graph.loss !== undefined && { loss: id(graph.loss) }),
    ...(graph.classifier && { classifier: { logits: id(graph.classifier.logits), correct: id(graph.classifier.correct) } }),
    routes: graph.routes.map(({ target, mode, value }) => ({ target: id(target), mode, value: id(value) })),
    updates: graph.updates.map(({ target, value }) => ({ target, value: id(value) })),
  };
}

function numbering(nodes: readonly Node[]): Map<ValueId, ValueId> {
  const ids = new Map<ValueId, ValueId>();
  for (const { id } of nodes) if (/^\d+$/.test(id)) ids.set(id, String(ids.size));
  return ids;
}

const renamed = (nodes: readonly Node[], id: (old: ValueId) => ValueId): Node[] => nodes.map((node): Node => ({ ...node, id: id(node.id), inputs: node.inputs.map(id) }));

