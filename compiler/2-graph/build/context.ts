// What is carried along while a net is built: where nodes go, what names mean, where weights get their names, whom to tell of mistakes.

import type { Backward, Call, Cell, Expr, Ident, Net, Streams, Value as Written } from '../../1-syntax/ast.ts';
import type { Code, Diagnostic, Loc } from '../../diagnostics.ts';
import { diagnostic } from '../../diagnostics.ts';
import type { Builder } from '../builder.ts';
import { createBuilder } from '../builder.ts';
import type { Region, Tags, ValueId, ViewSpec } from '../graph.ts';
import type { Attrs, OpKind } from '../ops.ts';
import { ShapeError } from '../shapes.ts';
import { showShape } from '../types.ts';
import type { TensorType } from '../types.ts';
import type { Namer } from './namer.ts';
import { counter } from './namer.ts';
import type { Scope, Value } from './scope.ts';
import { createScope, POISON } from './scope.ts';

/** Nodes in a net, and expressions evaluated for them, at most: repeats and nets in nets multiply. */
const MAX_NODES = 100_000;
const MAX_WORK = 2_000_000;

/** The cells and nets that the nets of one file can name. */
export interface Library {
  readonly nets: ReadonlyMap<string, { readonly net: Net; readonly library: Library }>;
  /** Cells of imported files, with what those files can name. */
  readonly cells: ReadonlyMap<string, { readonly cell: Cell; readonly library: Library }>;
}

/** The net under construction. It grows while its items are built. */
export interface Workshop {
  readonly builder: Builder;
  readonly regions: Region[];
  readonly views: Map<string, ViewSpec>;
  readonly labels: Set<ValueId>;
  /** The newest value of each state, with the values that are computed from the batch for it. */
  readonly updates: Map<ValueId, { value: ValueId; evidence: ValueId[] }>;
  /** Which call made a filter or matrix whose outputs `--width` scales. */
  readonly scaled: Map<ValueId, Call>;
  /** Prefixes of weights that are taken by a block with a shared cell. */
  readonly prefixes: Map<string, Streams>;
  /** Ids made through shareNode. */
  readonly shared: Set<ValueId>;
  readonly logits: { logits: ValueId; labels: ValueId; loc: Loc }[];
  /** Backward blocks, with what names mean in them. They are built last. */
  readonly backwards: { readonly c: Context; readonly block: Backward }[];
  /** Other nets that are used as functions. */
  readonly used: Set<Net>;
  /** How often a net has been used under a prefix of weights' names: a layer's uses share one. */
  readonly uses: Map<string, number>;
  /** Names proposed for misspelt ones: in a file full of mistakes only the first are worth the search. */
  suggested: number;
  work: number;
  nodes: number;
  salt: number;
}

export const createWorkshop = (): Workshop => ({
  builder: createBuilder(),
  regions: [],
  views: new Map(),
  labels: new Set(),
  updates: new Map(),
  scaled: new Map(),
  prefixes: new Map(),
  shared: new Set(),
  logits: [],
  backwards: [],
  used: new Set(),
  uses: new Map(),
  suggested: 0,
  work: 0,
  nodes: 0,
  salt: 0,
});

/** Where nodes are appended: the graph itself, or a region's body. */
export interface Target {
  readonly builder: Builder;
  /** Ids that the builder has. */
  readonly known: Set<ValueId>;
  /** The .zz names of values. */
  readonly names: Map<ValueId, string>;
  /** Whether something was asked for that a region cannot hold: random numbers, labels, running statistics. */
  impure: boolean;
}

export const createTarget = (builder: Builder = createBuilder()): Target => ({ builder, known: new Set(), names: new Map(), impure: false });

/** What an expression or a name stands for: a number, a tensor, several parts. */
export type Fact = number | TensorType | readonly TensorType[];

/**
 * Is told what a build makes of the net's own text, for an editor to show. What is only tried out, and what stands in other nets, is left aside.
 * In the body of a cell everything is told for each stream.
 */
export interface Observer {
  /** The expression, or the name that is defined, at a place. */
  readonly value: (loc: Loc, fact: Fact) => void;
  /** A weight that a call makes or, being used again, finds. For a layer it is the call that defines it. */
  readonly weight: (call: Call, id: ValueId, shape: readonly number[]) => void;
}

export interface Context {
  readonly mode: 'train' | 'evaluate';
  readonly workshop: Workshop;
  readonly target: Target;
  readonly scope: Scope;
  readonly library: Library;
  readonly namer: Namer;
  readonly tags: Tags;
  /** The nets being built, outermost first. */
  readonly nets: readonly string[];
  /** Inside a cell's body: what it cannot see of its net. */
  readonly inCell?: boolean;
  /** While a state's shape is sought, a sum with an unknown operand takes the shape of the known one. */
  readonly probing: boolean;
  /** Inside `backward`: what `grad(name)` gives. */
  readonly grad?: (call: Call) => Value;
  /** The channels a call gets under `--width`. */
  readonly scale?: (call: Call, channels: number) => number;
  /** The names that the net defines, each where it first does. */
  readonly later?: ReadonlyMap<string, Ident>;
  readonly report: (found: Diagnostic) => void;
  readonly observe?: Observer | undefined;
  readonly language: Language;
}

/** The parts of the language that call each other. */
export interface Language {
  evaluate(c: Context, expr: Expr): Value;
  call(c: Context, call: Call, piped?: Piped): Value;
  useNet(c: Context, call: Call, piped: Piped | undefined, net: Net, library: Library): Value;
}

/** A value that reaches a call through `->`. */
export interface Piped {
  readonly kind: 'piped';
  readonly value: Value;
  readonly loc: Loc;
}

/** An argument as it was written, or the value that was piped in. */
export type Given = Written | Piped;

/** A net's context before its first item. */
export const createContext = (parts: Pick<Context, 'mode' | 'library' | 'nets' | 'report' | 'language'> & Partial<Context>): Context => {
  const workshop = parts.workshop ?? createWorkshop();
  return { workshop, target: createTarget(workshop.builder), scope: createScope(), namer: counter(''), tags: {}, probing: false, ...parts };
};

/** Ends the building of a net that grows beyond all bounds. It has been reported. */
export class TooLarge extends Error {}

/** Counts work, so that no program runs on and on. Throws TooLarge. */
export function spend(c: Context, loc: Loc, nodes = 0): void {
  const { workshop } = c;
  workshop.work++;
  workshop.nodes += nodes;
  if (workshop.work <= MAX_WORK && workshop.nodes <= MAX_NODES) return;
  c.report(diagnostic('ZZ4011', loc, `the net grows beyond ${MAX_NODES.toLocaleString('en')} nodes here`));
  throw new TooLarge();
}

/** Reports a mistake and gives a poisoned value. */
export function fail(c: Context, code: Code, loc: Loc, message: string, more: Parameters<typeof diagnostic>[3] = {}): Value {
  c.report(diagnostic(code, loc, message, more));
  return POISON;
}

/** The value, told to the observer. */
export function observed(c: Context, loc: Loc, value: Value): Value {
  if (!c.observe || value.kind === 'poison') return value;
  const type = (id: ValueId): TensorType => c.target.builder.type(id);
  c.observe.value(loc, value.kind === 'number' ? value.value : value.kind === 'tensor' ? type(value.id) : value.ids.map(type));
  return value;
}

/** A context for a use of a net, or of a cell that is no region, whose nodes say so: by the prefix of its weights' names, with a number from the second use on. */
export function inUse(c: Context, prefix: string): Context {
  const use = (c.workshop.uses.get(prefix) ?? 0) + 1;
  c.workshop.uses.set(prefix, use);
  return { ...c, tags: { ...c.tags, net: use === 1 ? prefix : `${prefix}:${use}` } };
}

/** Appends a node to the target. Throws ShapeError. */
export function emit<K extends OpKind>(c: Context, loc: Loc, kind: K, inputs: readonly ValueId[], attrs: Attrs<K>, more: { id?: ValueId; tags?: Tags; type?: TensorType } = {}): ValueId {
  spend(c, loc, 1);
  const id = c.target.builder.add(kind, inputs, attrs, { locs: [loc], tags: c.tags, ...more });
  c.target.known.add(id);
  return id;
}

/** A value that belongs to the whole graph, such as a weight: made once under its id, and seen from the target. */
export function shareNode<K extends OpKind>(c: Context, loc: Loc, kind: K, attrs: Attrs<K>, id: ValueId): ValueId {
  const { builder } = c.workshop;
  if (!hasNode(c, id)) {
    spend(c, loc, 1);
    builder.add(kind, [], attrs, { id, locs: [loc], tags: {} });
    c.workshop.shared.add(id);
  }
  if (c.target.builder !== builder && !c.target.known.has(id)) c.target.builder.push(builder.node(id));
  c.target.known.add(id);
  return id;
}

export const hasNode = (c: Context, id: ValueId): boolean => c.workshop.shared.has(id);

export const shapeOf = (c: Context, id: ValueId) => c.target.builder.type(id).shape;

/** What a function of the language throws where its arguments do not fit, with places that explain it. */
export class Refusal extends ShapeError {
  readonly related: readonly { message: string; loc: Loc }[];
  constructor(code: Code, message: string, related: readonly { message: string; loc: Loc }[] = []) {
    super(code, message);
    this.related = related;
  }
}

/** Turns a shape rule's refusal into a diagnostic that says where each operand's shape comes from. */
export function attempt(c: Context, loc: Loc, operands: () => readonly Value[], make: () => Value): Value {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof ShapeError)) throw error;
    const related = [...origins(c, operands()), ...(error instanceof Refusal ? error.related : [])];
    return fail(c, error.code, loc, error.message, { related });
  }
}

/** Where the shapes of these values come from. */
export function origins(c: Context, values: readonly Value[]): { message: string; loc: Loc }[] {
  return values.flatMap((value) => {
    if (value.kind !== 'tensor') return [];
    const node = c.target.builder.node(value.id);
    const loc = node.locs[0];
    return loc ? [{ message: `${showShape(node.type.shape)} comes from here`, loc }] : [];
  });
}

/** A number becomes a scalar constant; everything else that is no tensor is reported. */
export function toTensor(c: Context, value: Value, loc: Loc): ValueId | undefined {
  if (value.kind === 'tensor') return value.id;
  if (value.kind === 'number') return emit(c, loc, 'constant', [], { shape: [], value: value.value });
  if (value.kind === 'parts') fail(c, 'ZZ2016', loc, `these are ${value.ids.length} parts where one value is needed: give each a name first`);
  return undefined;
}
