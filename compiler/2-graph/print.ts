// The text form of a graph: a header, its regions, one value a line, and what the graph gives. parse.ts reads it back to an equal graph.

import type { Loc } from '../diagnostics.ts';
import { AUGMENTATIONS, OPTIMIZERS, SCHEDULES, TAG_FIELDS, TRAIN_FIELDS } from './fields.ts';
import type { Fields } from './fields.ts';
import type { Augmentation, Graph, Node, Region, ViewPart, ViewSpec } from './graph.ts';
import { OPS } from './ops.ts';
import { showShape, showType } from './types.ts';
import type { Shape } from './types.ts';

/** The graph as text. */
export function printGraph(graph: Graph): string {
  const { optimizer, schedule } = graph.train;
  const header = [
    `net ${text(graph.name)} ${graph.mode}`,
    `train ${fields(TRAIN_FIELDS, graph.train)}`,
    `optimizer ${optimizer.kind} ${fields(OPTIMIZERS[optimizer.kind], optimizer)}`,
    `schedule ${schedule.kind} ${fields(SCHEDULES[schedule.kind], schedule)}`,
    ...graph.views.map(printView),
  ].map((line) => line.trimEnd());
  const roots = [
    ...graph.outputs.map((output) => `output ${text(output.name)} = %${output.value}`),
    ...(graph.loss === undefined ? [] : [`loss %${graph.loss}`]),
    ...(graph.classifier ? [`classifier logits=%${graph.classifier.logits} correct=%${graph.classifier.correct}`] : []),
    ...graph.routes.map((route) => `route %${route.target} ${route.mode} %${route.value}`),
    ...graph.gradients.map((gradient) => `gradient %${gradient.weight} = %${gradient.value}`),
    ...graph.updates.map((update) => `update %${update.target} = %${update.value}`),
  ];
  const sections = [header, ...graph.regions.map(printRegion), graph.nodes.map(printNode), roots];
  return `${sections.filter((lines) => lines.length > 0).map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

/** One value's line, without its line end. */
export function printNode(node: Node): string {
  const operands = node.inputs.map((id) => `%${id}`).join(', ');
  const parts = [
    `%${node.id}: ${showType(node.type)} = ${node.kind}(${operands})`,
    fields(OPS[node.kind].attrs, node.attrs),
    node.locs.length > 0 ? `@${node.locs.map(printLoc).join(',')}` : '',
    pairs(TAG_FIELDS, node.tags).join(' '),
  ];
  return parts.filter((part) => part !== '').join(' ');
}

/** file:line:column, then the length and the start of the span. */
function printLoc({ file, line, column, span }: Loc): string {
  const path = /^[\w./-]+$/.test(file) ? file : JSON.stringify(file);
  return `${path}:${line}:${column}+${span.end - span.start}#${span.start}`;
}

const printRegion = (region: Region): string[] => [
  `region ${text(region.name)}(${region.params.map((param) => `%${param.id}: ${showType(param.type)}`).join(', ')}) {`,
  ...region.nodes.map((node) => `  ${printNode(node)}`),
  `  return %${region.result}`,
  '}',
];

function printView(view: ViewSpec): string {
  const parts = view.parts.map(printPart);
  return `view ${text(view.name)} = ${parts.length === 1 ? parts.join('') : `each(${parts.join(', ')})`}`;
}

const printPart = (part: ViewPart): string => [text(part.source), ...part.steps.map(printAugmentation)].join(' -> ');

const printAugmentation = (step: Augmentation): string => `${step.op} ${fields(AUGMENTATIONS[step.op], step)}`;

// Values.

/** `{name=value, …}` in the order of the specification; nothing for an operation without attributes. */
function fields(specs: Fields, values: object): string {
  const list = pairs(specs, values);
  return list.length === 0 ? '' : `{${list.join(', ')}}`;
}

function pairs(specs: Fields, values: object): string[] {
  const given = values as Readonly<Record<string, unknown>>;
  return Object.entries(specs).flatMap(([name, spec]) => (given[name] === undefined ? [] : [`${name}=${VALUES[spec.form](given[name] as never)}`]));
}

const VALUES: { readonly [F in Fields[string]['form']]: (value: never) => string } = {
  int: number,
  float: number,
  bool: String,
  string: text,
  ints: (value: readonly number[]) => `[${value.map(number).join(',')}]`,
  dims: (value: Shape) => showShape(value),
  enum: String,
  range: (value: readonly [number, number]) => value.map(number).join('..'),
  augmentation: printAugmentation,
};

/** A plain word as it is, any other text in the quotes and escapes of JSON. */
function text(value: string): string {
  return /^[A-Za-z_][\w.]*$/.test(value) ? value : JSON.stringify(value);
}

/** The shortest decimal that reads back to the same number. */
function number(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  return Object.is(value, -0) ? '-0' : String(value);
}
