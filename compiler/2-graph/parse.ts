// Reads the text form of a graph (print.ts). It checks the form alone: what must hold of a graph is the verifier's.

import type { Loc } from '../diagnostics.ts';
import { AUGMENTATIONS, OPTIMIZERS, SCHEDULES, TAG_FIELDS, TRAIN_FIELDS } from './fields.ts';
import type { Field, Fields } from './fields.ts';
import type { Augmentation, Graph, Node, OptimizerSettings, Region, ScheduleSettings, Tags, TrainSettings, ValueId, ViewPart, ViewSpec } from './graph.ts';
import { OPS } from './ops.ts';
import type { OpKind } from './ops.ts';
import { createReader, GraphTextError } from './reader.ts';
import type { Reader } from './reader.ts';
import type { Dim, DType, TensorType } from './types.ts';

export { GraphTextError } from './reader.ts';

/**
 * The graph that a text describes; `parseGraph(printGraph(g))` equals `g`. Blank lines and lines that start with `//` are skipped.
 * Throws GraphTextError at the first thing that is no part of the form. The result is not verified.
 */
export function parseGraph(source: string): Graph {
  const draft = emptyDraft();
  const lines = source.split(/\r?\n/);
  for (const [i, line] of lines.entries()) {
    const reader = createReader(line, i + 1);
    if (reader.done() || reader.take(/\/\//y)) continue;
    readLine(reader, draft);
    if (!reader.done()) reader.fail('the end of the line');
  }
  return finish(draft, lines.length);
}

interface OpenRegion extends Region {
  readonly nodes: Node[];
}

/** The graph so far. */
interface Draft {
  net?: Pick<Graph, 'name' | 'mode'>;
  settings?: Omit<TrainSettings, 'optimizer' | 'schedule'>;
  optimizer?: OptimizerSettings;
  schedule?: ScheduleSettings;
  loss?: ValueId;
  classifier?: NonNullable<Graph['classifier']>;
  /** The region whose lines are being read. */
  region?: OpenRegion | undefined;
  readonly nodes: Node[];
  readonly regions: Region[];
  readonly views: ViewSpec[];
  readonly outputs: Graph['outputs'][number][];
  readonly routes: Graph['routes'][number][];
  readonly gradients: Graph['gradients'][number][];
  readonly updates: Graph['updates'][number][];
}

const emptyDraft = (): Draft => ({ nodes: [], regions: [], views: [], outputs: [], routes: [], gradients: [], updates: [] });

function finish({ net, settings, optimizer, schedule, loss, classifier, region, ...lists }: Draft, line: number): Graph {
  const missing = (what: string): never => {
    throw new GraphTextError(`${what} is missing`, line, 1);
  };
  if (region) return missing(`the end of region ${region.name}`);
  return {
    ...(net ?? missing('the line "net"')),
    ...lists,
    ...(loss === undefined ? {} : { loss }),
    ...(classifier ? { classifier } : {}),
    train: { ...(settings ?? missing('the line "train"')), optimizer: optimizer ?? missing('the line "optimizer"'), schedule: schedule ?? missing('the line "schedule"') },
  };
}

function readLine(reader: Reader, draft: Draft): void {
  if (draft.region) readRegionLine(reader, draft, draft.region);
  else if (reader.peek('%')) draft.nodes.push(readNode(reader));
  else reader.choice('a value or a line of the header', LINES)(reader, draft);
}

/** Sets what a graph has once. */
function once<K extends 'net' | 'settings' | 'optimizer' | 'schedule' | 'loss' | 'classifier'>(reader: Reader, draft: Draft, key: K, value: Draft[K]): void {
  if (draft[key] !== undefined) reader.stop('this line is given twice');
  draft[key] = value;
}

/** What the lines that are no values start with. */
const LINES: Readonly<Record<string, (reader: Reader, draft: Draft) => void>> = {
  net: (reader, draft) => {
    const name = reader.text();
    once(reader, draft, 'net', { name, mode: reader.choice('a mode', { train: 'train', evaluate: 'evaluate' } as const) });
  },
  train: (reader, draft) => once(reader, draft, 'settings', readFields(reader, TRAIN_FIELDS, 'train') as unknown as Omit<TrainSettings, 'optimizer' | 'schedule'>),
  optimizer: (reader, draft) => once(reader, draft, 'optimizer', readVariant(reader, 'kind', OPTIMIZERS) as unknown as OptimizerSettings),
  schedule: (reader, draft) => once(reader, draft, 'schedule', readVariant(reader, 'kind', SCHEDULES) as unknown as ScheduleSettings),
  view: (reader, draft) => draft.views.push(readView(reader)),
  region: (reader, draft) => {
    draft.region = readRegion(reader);
  },
  output: (reader, draft) => {
    const name = reader.text();
    reader.expect('=');
    draft.outputs.push({ name, value: reader.id() });
  },
  loss: (reader, draft) => once(reader, draft, 'loss', reader.id()),
  classifier: (reader, draft) => {
    reader.expect('logits', '=');
    const logits = reader.id();
    reader.expect('correct', '=');
    once(reader, draft, 'classifier', { logits, correct: reader.id() });
  },
  route: (reader, draft) => {
    const target = reader.id();
    const mode = reader.take(/\+?=/y) ?? reader.fail('= or +=');
    draft.routes.push({ target, mode: mode as '=' | '+=', value: reader.id() });
  },
  gradient: (reader, draft) => {
    const weight = reader.id();
    reader.expect('=');
    draft.gradients.push({ weight, value: reader.id() });
  },
  update: (reader, draft) => {
    const target = reader.id();
    reader.expect('=');
    draft.updates.push({ target, value: reader.id() });
  },
};

function readRegion(reader: Reader): OpenRegion {
  const name = reader.text();
  const params = reader.list('(', ')', () => {
    const id = reader.id();
    reader.expect(':');
    return { id, type: readType(reader) };
  });
  reader.expect('{');
  return { name, params, nodes: [], result: '' };
}

/** Values, then `return %x`, then the brace that closes the region. */
function readRegionLine(reader: Reader, draft: Draft, region: OpenRegion): void {
  if (region.result !== '') {
    reader.expect('}');
    draft.regions.push(region);
    draft.region = undefined;
  } else if (reader.peek('%')) region.nodes.push(readNode(reader));
  else {
    reader.expect('return');
    draft.region = { ...region, result: reader.id() };
  }
}

function readNode(reader: Reader): Node {
  const id = reader.id();
  reader.expect(':');
  const type = readType(reader);
  reader.expect('=');
  const kind = reader.choice('an operation', KINDS);
  const inputs = reader.list('(', ')', () => reader.id());
  const attrs = readFields(reader, OPS[kind].attrs, kind);
  const locs = reader.take(/@/y) ? readLocs(reader) : [];
  return { id, kind, inputs, attrs, type, locs, tags: readTags(reader) } as unknown as Node;
}

const KINDS = Object.fromEntries(Object.keys(OPS).map((kind) => [kind, kind])) as Readonly<Record<string, OpKind>>;

function readType(reader: Reader): TensorType {
  const dtype: DType = reader.choice('a dtype', { f32: 'f32', f16: 'f16', i32: 'i32' } as const);
  return { dtype, shape: reader.list('[', ']', () => readDim(reader)) };
}

function readDim(reader: Reader): Dim {
  const dim = reader.take(/\d*B\b|\d+\b/y) ?? reader.fail('a dimension');
  return dim.endsWith('B') ? (dim as Dim) : Number(dim);
}

function readLocs(reader: Reader): Loc[] {
  const locs: Loc[] = [];
  do {
    const file = reader.take(/[\w./-]+/y) ?? reader.quoted() ?? reader.fail('a file');
    reader.expect(':');
    const line = reader.natural();
    reader.expect(':');
    const column = reader.natural();
    reader.expect('+');
    const length = reader.natural();
    reader.expect('#');
    const start = reader.natural();
    locs.push({ file, line, column, span: { start, end: start + length } });
  } while (reader.take(/,/y));
  return locs;
}

function readTags(reader: Reader): Tags {
  const tags = new Map<string, unknown>();
  while (!reader.done()) readField(reader, TAG_FIELDS, 'a node', 'tag', tags);
  return Object.fromEntries(tags);
}

function readView(reader: Reader): ViewSpec {
  const name = reader.text();
  reader.expect('=');
  const parts = reader.take(/each(?=\s*\()/y) ? reader.list('(', ')', () => readPart(reader)) : [readPart(reader)];
  return { name, parts };
}

function readPart(reader: Reader): ViewPart {
  const source = reader.text();
  const steps: Augmentation[] = [];
  while (reader.take(/->/y)) steps.push(readAugmentation(reader));
  return { source, steps };
}

const readAugmentation = (reader: Reader): Augmentation => readVariant(reader, 'op', AUGMENTATIONS) as unknown as Augmentation;

// Values.

/** A word that chooses among fields, then those: `sgd {lr=0.1, …}`. */
function readVariant(reader: Reader, tag: 'kind' | 'op', variants: Readonly<Record<string, Fields>>): object {
  const word = reader.choice(`one of ${Object.keys(variants).join(', ')}`, Object.fromEntries(Object.keys(variants).map((name) => [name, name])));
  return { [tag]: word, ...readFields(reader, variants[word] ?? {}, word) };
}

/** `{name=value, …}`, or nothing where there are no fields. */
function readFields(reader: Reader, specs: Fields, owner: string): object {
  const values = new Map<string, unknown>();
  if (reader.peek('{')) reader.list('{', '}', () => readField(reader, specs, owner, 'attribute', values));
  const missing = Object.keys(specs).filter((name) => !values.has(name) && !specs[name]?.optional);
  if (missing.length > 0) reader.stop(`${owner} lacks ${missing.join(', ')}`);
  return Object.fromEntries(values);
}

function readField(reader: Reader, specs: Fields, owner: string, what: string, values: Map<string, unknown>): void {
  const known = Object.keys(specs).join(', ');
  const name = reader.choice(`${known === '' ? '}' : `one of ${known}`}`, Object.fromEntries(Object.keys(specs).map((key) => [key, key])));
  if (values.has(name)) reader.stop(`${owner} has the ${what} ${name} twice`);
  reader.expect('=');
  const spec = specs[name] as Field;
  values.set(name, VALUES[spec.form](reader, spec));
}

const VALUES: { readonly [F in Field['form']]: (reader: Reader, spec: Field) => unknown } = {
  int: (reader) => reader.integer(),
  float: (reader) => reader.number(),
  bool: (reader) => reader.choice('true or false', { true: true, false: false }),
  string: (reader) => reader.text(),
  ints: (reader) => reader.list('[', ']', () => reader.integer()),
  dims: (reader) => reader.list('[', ']', () => readDim(reader)),
  enum: (reader, { values = [] }) => reader.choice(`one of ${values.join(', ')}`, Object.fromEntries(values.map((value) => [value, value]))),
  range: (reader) => {
    const low = reader.number();
    reader.expect('..');
    return [low, reader.number()];
  },
  augmentation: (reader) => reader.nested(() => readAugmentation(reader)),
};
