// Finds the normalisations among a graph's operations again, for targets that have an operation or a module for them.

import type { Node, ValueId } from '../2-graph/graph.ts';
import type { OpKind } from '../2-graph/ops.ts';

/** A normalisation, from its input to its scaled and shifted result. */
export interface Norm {
  readonly kind: 'batchnorm' | 'layernorm' | 'groupnorm';
  readonly x: ValueId;
  readonly gamma: ValueId;
  readonly beta: ValueId;
  readonly eps: number;
  /** Of a groupnorm. */
  readonly groups: number;
  /** The running statistics by which a batchnorm goes when evaluating. */
  readonly running?: { readonly mean: ValueId; readonly variance: ValueId };
}

type Find = <K extends OpKind>(id: ValueId | undefined, kind: K) => Node<K> | undefined;

/** The norms by their results, in the form in which the language's functions build them. */
export function findNorms(nodes: readonly Node[]): Map<ValueId, Norm> {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const find: Find = (id, kind) => {
    const node = id === undefined ? undefined : byId.get(id);
    return node?.kind === kind ? (node as ReturnType<typeof find<typeof kind>>) : undefined;
  };
  return new Map(nodes.flatMap((node) => {
    const norm = node.kind === 'add' ? scaled(node, find) : undefined;
    return norm ? [[node.id, norm] as const] : [];
  }));
}

/** y * gamma + beta */
function scaled({ inputs: [product, beta] }: Node<'add'>, find: Find): Norm | undefined {
  const shift = find(beta, 'weight');
  const { inputs: [y, gamma] } = find(product, 'mul') ?? { inputs: [] };
  const scale = find(gamma, 'weight');
  if (!shift?.attrs.name.startsWith('beta.') || !scale?.attrs.name.startsWith('gamma.')) return undefined;
  const weights = { gamma: scale.id, beta: shift.id };
  const back = find(y, 'reshape');
  if (!back) {
    const found = standardised(y, find);
    return found && { ...weights, ...found, groups: 1 };
  }
  const found = standardised(back.inputs[0], find);
  const grouped = find(found?.x, 'reshape');
  const groups = grouped?.attrs.shape.at(-2);
  const x = grouped?.inputs[0];
  return found?.kind === 'groupnorm' && x !== undefined && typeof groups === 'number' ? { ...weights, kind: 'groupnorm', x, eps: found.eps, groups } : undefined;
}

/** (x - mean) / sqrt(variance + eps) */
function standardised(y: ValueId | undefined, find: Find): Pick<Norm, 'kind' | 'x' | 'eps' | 'running'> | undefined {
  const { inputs: [centred, deviation] } = find(y, 'div') ?? { inputs: [] };
  const { inputs: [x, mean] } = find(centred, 'sub') ?? { inputs: [] };
  const { inputs: [variance, epsilon] } = find(find(deviation, 'sqrt')?.inputs[0], 'add') ?? { inputs: [] };
  const eps = find(epsilon, 'constant')?.attrs.value;
  if (x === undefined || eps === undefined) return undefined;
  const running = { mean: find(mean, 'state')?.id, variance: find(variance, 'state')?.id };
  if (running.mean !== undefined && running.variance !== undefined) return { kind: 'batchnorm', x, eps, running: { mean: running.mean, variance: running.variance } };

  const [first, second] = [find(mean, 'reduce_mean'), find(variance, 'reduce_mean')];
  const sound = first?.inputs[0] === x && find(second?.inputs[0], 'square')?.inputs[0] === centred && first.attrs.axes.join() === second?.attrs.axes.join();
  const kind = sound ? axesOf(first) : undefined;
  return kind && { kind, x, eps };
}

/** What the mean is over: all but the channels, the channels alone, or the channels of a group and all of the image. */
function axesOf({ attrs: { axes }, type: { shape } }: Node<'reduce_mean'>): Norm['kind'] | undefined {
  const last = shape.length - 1;
  const over = (wanted: (axis: number) => boolean): boolean => axes.join() === shape.flatMap((_, axis) => (wanted(axis) ? [axis] : [])).join();
  if (over((axis) => axis === last)) return 'layernorm';
  if (over((axis) => axis !== last)) return 'batchnorm';
  return over((axis) => axis !== 0 && axis !== last - 1) ? 'groupnorm' : undefined;
}
