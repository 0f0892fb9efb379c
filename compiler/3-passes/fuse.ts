// fuse: decides which operations run in one kernel. The graph keeps its nodes; each gets the number of its kernel.
//
// A kernel has at most one operation that reads many elements for one (its root): what feeds the root element by element is its prologue,
// what follows element by element its epilogue, a pooling of the result included. Data movement is index arithmetic in whoever reads it, and
// element-wise values that are cheaper to compute than to store are computed in each kernel that reads them.
// Kernels are numbered in the order they run.

import type { Graph, Node, ValueId } from '../2-graph/graph.ts';
import { groupOf, isElementwise, isLeaf, type OpSpec } from '../2-graph/ops.ts';
import { nodesById } from '../2-graph/queries.ts';
import { sameShape } from '../2-graph/types.ts';
import { bytesOf, LAUNCH_BYTES, namedValues, readBytes, recomputeCost, usersOf, type TypeOf } from './cost.ts';
import type { Pass } from './pass.ts';
import { freshIds } from './rewrite.ts';

export interface FuseOptions {
  /** Computes costlier element-wise values again in each kernel that reads them, where their operand is in memory anyway. */
  readonly remat?: boolean;
}

export const fuse = ({ remat = false }: FuseOptions = {}): Pass => ({
  name: 'fuse',
  summary: 'element-wise chains, prologues and epilogues become one kernel with the operation beside them; all updates are one kernel',
  run: (graph) => {
    const plan = createPlan(graph, remat);
    chooseKernels(plan);
    inlineProducers(plan);
    return number(plan);
  },
  verify: verifyKernels,
});

/** Throws Error unless kernels are numbered in the order of their nodes: with the order of values, no kernel then waits for a later one. */
export function verifyKernels(graph: Graph): void {
  graph.nodes.filter((node) => !isLeaf(node.kind)).reduce((last, { id, tags: { kernel } }) => {
    if (kernel !== last && kernel !== last + 1) throw new Error(`%${id} is in kernel ${kernel}, after one of kernel ${last}`);
    return kernel;
  }, -1);
}

type Group = OpSpec['group'];
const ROOTS: ReadonlySet<Group> = new Set<Group>(['contraction', 'reduction', 'pooling', 'classifier']);
const isRoot = (node: Node): boolean => ROOTS.has(groupOf(node.kind));

/** Kernels with many parts of their own, into which no others move. */
const COMPOUND: ReadonlySet<Kernel['kind']> = new Set<Kernel['kind']>(['classifier', 'norm', 'update']);

interface Kernel {
  /** Where it stands in the order of kernels. */
  readonly order: number;
  readonly kind: 'map' | 'contraction' | 'root' | 'classifier' | 'norm' | 'update';
  /** The shape that its outputs share. */
  readonly shape: Node['type']['shape'];
  members: Node[];
}

interface Plan {
  readonly graph: Graph;
  readonly nodes: ReadonlyMap<ValueId, Node>;
  readonly users: ReadonlyMap<ValueId, readonly Node[]>;
  readonly named: ReadonlySet<ValueId>;
  readonly typeOf: TypeOf;
  readonly kernels: Kernel[];
  /** The kernels that make a value: one, until its readers each compute it. Moved values have none: who reads them moves them. */
  readonly homes: Map<ValueId, readonly Kernel[]>;
  readonly remat: boolean;
  /** Additions that computing an element again may cost. */
  readonly limit: number;
  /** Why a value is kept in memory. */
  readonly notes: Map<ValueId, string>;
}

function createPlan(graph: Graph, remat: boolean): Plan {
  const nodes = nodesById(graph);
  const typeOf: TypeOf = (id) => nodes.get(id)?.type ?? { dtype: 'f32', shape: [] };
  return { graph, nodes, users: usersOf(graph), named: namedValues(graph), typeOf, kernels: [], homes: new Map(), remat, limit: remat ? AFFORDABLE : CHEAP, notes: new Map() };
}

/** Whether readers compute the node's indices themselves. Moved values that the graph names are made by a kernel. */
const isMoved = (plan: Plan, node: Node): boolean => groupOf(node.kind) === 'movement' && !plan.named.has(node.id);

/**
 * Puts nodes into kernels in order. A node joins the last of the kernels that it reads from, if any: all others run before it anyway,
 * so that the order of the kernels stays one without cycles.
 */
function chooseKernels(plan: Plan): void {
  const { kernels, homes } = plan;
  /** By value, the last kernel that it is made of, through data movement. */
  const sources = new Map<ValueId, Kernel>();
  const open = (kind: Kernel['kind'], node: Node): Kernel => {
    const kernel: Kernel = { order: kernels.length, kind, shape: node.type.shape, members: [] };
    kernels.push(kernel);
    return kernel;
  };
  const latest = (node: Node): Kernel | undefined =>
    node.inputs.reduce<Kernel | undefined>((last, input) => {
      const source = sources.get(input);
      return last && (!source || last.order >= source.order) ? last : source;
    }, undefined);

  const classifiers = new Map<ValueId | undefined, Kernel>();
  const joint = new Map<'norm' | 'update', Kernel>();
  /** The one kernel of its kind, or the next where the node reads what is made after it. */
  const joining = (kind: 'norm' | 'update', node: Node, last: Kernel | undefined): Kernel => {
    const before = joint.get(kind);
    const kernel = before && (!last || last.order <= before.order) ? before : open(kind, node);
    joint.set(kind, kernel);
    return kernel;
  };
  const choose = (node: Node, last: Kernel | undefined): Kernel => {
    if (node.tags.phase === 'update' && !isRoot(node)) return joining('update', node, last);
    if (groupOf(node.kind) === 'classifier') {
      // One kernel for what reads the same class scores.
      const [logits] = node.inputs;
      const known = classifiers.get(logits);
      const kernel = known && (!last || last.order <= known.order) ? known : open('classifier', node);
      classifiers.set(logits, kernel);
      return kernel;
    }
    // One kernel for what is asked of all gradients: whether they are finite, and their norms.
    if (isNorm(node)) return joining('norm', node, last);
    if (isRoot(node)) return last && poolsResult(plan, node, last) ? last : open(groupOf(node.kind) === 'contraction' ? 'contraction' : 'root', node);
    if (last && followsPart(plan, node, last)) return last;
    const joins = last && isElementwise(node.kind) && sameShape(last.shape, node.type.shape) && !COMPOUND.has(last.kind);
    // Only values at the element itself are at hand in the kernel that makes them.
    const direct = node.inputs.every((input) => sources.get(input) !== last || homeOf(plan, input) === last);
    return joins && direct && !readOnce(plan, node) && !isRecomputed(plan, node) ? last : open('map', node);
  };
  for (const node of inPhases(plan.graph.nodes)) {
    if (isLeaf(node.kind)) continue;
    const last = latest(node);
    if (isMoved(plan, node)) {
      if (last) sources.set(node.id, last);
      continue;
    }
    const kernel = choose(node, last);
    kernel.members.push(node);
    homes.set(node.id, [kernel]);
    sources.set(node.id, kernel);
  }
}

/** The kernel that makes a value; none for leaves and moved values. */
const homeOf = (plan: Plan, id: ValueId): Kernel | undefined => plan.homes.get(id)?.[0];

/** A number of a whole gradient, for the updates. */
const isNorm = (node: Node): boolean => groupOf(node.kind) === 'reduction' && node.type.shape.length === 0 && (node.kind === 'all_finite' || node.tags.phase === 'update');

/** Nothing reads an update but updates, and a norm but they: at the end all norms are ready for one kernel, and then all updates. */
function inPhases(nodes: readonly Node[]): Node[] {
  const ofNorms = new Set<ValueId>();
  for (const node of nodes) if (isNorm(node) || node.inputs.some((input) => ofNorms.has(input))) ofNorms.add(node.id);
  const phases = [0, 1, 2].map((): Node[] => []);
  for (const node of nodes) phases[node.tags.phase === 'update' ? 2 : ofNorms.has(node.id) ? 1 : 0]?.push(node);
  return phases.flat();
}

/** A contraction whose elements lie in whole windows can pool them as it writes them. */
function poolsResult({ typeOf }: Plan, node: Node, last: Kernel): boolean {
  if ((node.kind !== 'avgpool' && node.kind !== 'maxpool') || last.kind !== 'contraction') return false;
  const [image = ''] = node.inputs;
  const { shape } = typeOf(image);
  return last.members.some((member) => member.id === image) && sameShape(shape, last.shape) && shape.slice(1, 3).every((size) => Number(size) % node.attrs.k === 0);
}

/**
 * An element-wise node may follow a contraction on some of its images alone: every operand that the kernel makes is the same slice of the
 * batch. Its elements are stored where the kernel's are made, if they lie in the slice.
 */
function followsPart(plan: Plan, node: Node, last: Kernel): boolean {
  if (!isElementwise(node.kind) || last.kind !== 'contraction') return false;
  const own = node.inputs.map((input) => plan.nodes.get(input)).filter((operand) => operand !== undefined && madeBy(plan, operand, last));
  const starts = own.map((operand) => {
    const [whole = ''] = operand?.inputs ?? [];
    const part = operand?.kind === 'slice' && operand.attrs.axis === 0 && homeOf(plan, whole) === last && sameShape(plan.typeOf(whole).shape, last.shape);
    return part && sameShape(operand.type.shape, node.type.shape) ? operand.attrs.start : undefined;
  });
  return starts.length > 0 && starts.every((start) => start !== undefined && start === starts[0]);
}

/** Whether a value is made by the kernel, directly or through data movement. */
const madeBy = (plan: Plan, node: Node, kernel: Kernel): boolean =>
  homeOf(plan, node.id) === kernel ||
  (isMoved(plan, node) && node.inputs.some((input) => {
    const operand = plan.nodes.get(input);
    return operand !== undefined && madeBy(plan, operand, kernel);
  }));

/** Whether the one reader of a value is a sum over pixels that takes each element once: there it is made on the way, and never stored. */
function readOnce(plan: Plan, node: Node): boolean {
  const readers = readersOf(plan, node.id);
  const [only] = readers;
  if (readers.length !== 1 || only?.kind !== 'conv2d_filter_grad' || recomputeCost(node) > plan.limit || plan.named.has(node.id)) return false;
  const rows = only.type.shape.slice(0, 3).reduce<number>((product, dim) => product * Number(dim), 1);
  const [, gradient = ''] = only.inputs;
  return rows <= TILE && readersOf(plan, node.id, gradient).length > 0;
}

/** Rows that one tile of a contraction covers: with no more than these, its other operand is read once. */
const TILE = 64;

/** The nodes that read a value, through data movement; with `via`, only those that read it through that value. */
function readersOf(plan: Plan, id: ValueId, via?: ValueId): Node[] {
  const readers = (plan.users.get(id) ?? []).flatMap((user) => {
    if (isMoved(plan, user)) return readersOf(plan, user.id, via === user.id ? undefined : via);
    return via === undefined || via === id ? [user] : [];
  });
  return [...new Set(readers)];
}

/**
 * With `remat`, whether a value of one operand is computed again where it is read instead of being kept: what it is made of is kept anyway, for the
 * backward pass needs it for itself.
 */
function isRecomputed(plan: Plan, node: Node): boolean {
  if (!plan.remat || node.tags.phase !== undefined || plan.named.has(node.id) || recomputeCost(node) > plan.limit) return false;
  const operands = node.inputs.filter((input) => plan.typeOf(input).shape.length > 0);
  const [operand = ''] = operands;
  const kept = (plan.users.get(operand) ?? []).some((user) => user.tags.phase === 'backward');
  return operands.length === 1 && kept && readersOf(plan, node.id).every((reader) => groupOf(reader.kind) !== 'classifier' && reader.tags.phase !== 'update');
}

/** Element-wise kernels move into the kernels that read them, where that moves fewer bytes and costs little arithmetic. */
function inlineProducers(plan: Plan): void {
  for (const producer of plan.kernels.toReversed()) {
    if (producer.kind !== 'map' || producer.members.length === 0 || producer.members.some((node) => plan.named.has(node.id))) continue;
    const members = new Set(producer.members);
    const outputs = producer.members.map((node) => ({ node, readers: readersOf(plan, node.id).filter((reader) => !members.has(reader)) })).filter(({ readers }) => readers.length > 0);
    const readers = new Set(outputs.flatMap((output) => output.readers));
    const consumers = [...new Set([...readers].flatMap((reader) => plan.homes.get(reader.id) ?? []))];
    const refusal = refuse(plan, producer, consumers, readers, outputs.map(({ node }) => node));
    if (refusal !== undefined) {
      for (const { node } of outputs) plan.notes.set(node.id, refusal);
      continue;
    }
    for (const consumer of consumers) consumer.members = [...producer.members, ...consumer.members];
    for (const node of producer.members) plan.homes.set(node.id, consumers);
    producer.members = [];
  }
}

/** Additions an element may cost when it is computed again instead of read: about what reading it from memory takes, and what it may cost where memory is short. */
const CHEAP = 8;
const AFFORDABLE = 32;

/** Why a kernel's values are kept in memory instead of being computed where they are read. */
function refuse(plan: Plan, producer: Kernel, consumers: readonly Kernel[], readers: ReadonlySet<Node>, outputs: readonly Node[]): string | undefined {
  if (consumers.some(({ kind }) => COMPOUND.has(kind))) return 'the kernel that reads it has many parts of its own';
  const cost = costOf(producer.members);
  for (const { members } of consumers) {
    const often = members.find(readsOften);
    const prologue = often ? prologueOf(plan, often, members) : [];
    if (often && [often, ...prologue].some((member) => readers.has(member)) && cost + costOf(prologue) > plan.limit) return `${often.kind} would compute every element many times`;
  }
  if (cost > plan.limit && consumers.length > 1) return `${consumers.length} kernels would each compute it`;
  const saved = trafficOf(plan, [producer, ...consumers]) + outputs.reduce((sum, node) => sum + bytesOf(node.type), 0) + LAUNCH_BYTES;
  const inlined = trafficOf(plan, consumers.map((kernel) => ({ ...kernel, members: [...producer.members, ...kernel.members] })));
  return inlined > saved ? `its readers would read ${((inlined - saved) / 1e6).toFixed(1)} MB more` : undefined;
}

const costOf = (members: readonly Node[]): number => members.reduce((sum, node) => sum + recomputeCost(node), 0);

/** Operations that take the same element many times. */
const readsOften = (node: Node): boolean => groupOf(node.kind) === 'contraction' || ['softmax', 'log_softmax', 'maxpool_grad', 'upsample'].includes(node.kind);

/** What a kernel computes for an operation of its own, through data movement. */
function prologueOf(plan: Plan, root: Node, members: readonly Node[]): Node[] {
  const inside = new Set(members);
  const reached = new Set([root]);
  for (const { inputs } of reached) {
    for (const operand of inputs.map((input) => plan.nodes.get(input))) {
      if (operand && (inside.has(operand) || isMoved(plan, operand))) reached.add(operand);
    }
  }
  return [...reached].slice(1).filter((node) => inside.has(node));
}

/** Bytes that kernels read. */
function trafficOf(plan: Plan, kernels: readonly Kernel[]): number {
  return kernels.reduce((sum, kernel) => {
    const members = withMovement(plan, kernel.members);
    const inside = new Set([...members.map((node) => node.id), ...members.flatMap((node) => node.inputs.filter((id) => plan.nodes.get(id)?.kind === 'constant'))]);
    return sum + readBytes(members, inside, plan.typeOf);
  }, 0);
}

/** A kernel's members with the data movement they read through, each before its readers. */
function withMovement(plan: Plan, members: readonly Node[]): Node[] {
  const placed = new Map<ValueId, Node>();
  const place = (node: Node): void => {
    if (placed.has(node.id)) return;
    for (const input of node.inputs) {
      const operand = plan.nodes.get(input);
      if (operand && isMoved(plan, operand)) place(operand);
    }
    placed.set(node.id, node);
  };
  members.forEach(place);
  return [...placed.values()];
}

/** The nodes kernel by kernel, each with its kernel's number. What several kernels compute for themselves is copied. */
function number(plan: Plan): Graph {
  const { graph, kernels, notes } = plan;
  const fresh = freshIds(graph);
  const taken = new Map<ValueId, number>();
  const nodes = graph.nodes.filter((node) => isLeaf(node.kind));
  kernels
    .filter((kernel) => kernel.members.length > 0)
    .forEach((kernel, index) => {
      const own = new Map<ValueId, ValueId>();
      for (const node of withMovement(plan, kernel.members)) {
        const first = taken.get(node.id);
        const id = first === undefined ? node.id : fresh();
        own.set(node.id, id);
        if (first === undefined) taken.set(node.id, index);
        const note = first !== undefined && isElementwise(node.kind) ? `computed again, as in kernel ${first}` : notes.get(node.id);
        const tags = { ...node.tags, kernel: index, ...(note === undefined ? {} : { note }) };
        nodes.push({ ...node, id, inputs: node.inputs.map((input) => own.get(input) ?? input), tags } as Node);
      }
    });
  return { ...graph, nodes };
}
