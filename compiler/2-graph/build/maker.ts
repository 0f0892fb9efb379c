// What a function of the language builds its nodes with: operations, constants, weights, running statistics, labels.

import type { Call } from '../../1-syntax/ast.ts';
import type { Loc } from '../../diagnostics.ts';
import type { ValueId } from '../graph.ts';
import type { Attrs, OpKind } from '../ops.ts';
import type { Dim, Shape } from '../types.ts';
import { batchDim, batchFactor, showShape } from '../types.ts';
import type { Initial } from './arguments.ts';
import type { Context } from './context.ts';
import { emit, hasNode, Refusal, shapeOf, shareNode } from './context.ts';

export interface WeightSpec {
  /** The first part of its name: `w`, `b`, `gamma`, `beta`. */
  readonly role: string;
  readonly shape: readonly number[];
  readonly init: Initial;
  /** Inputs and outputs that a unit is connected to; they set the standard deviation of `he` and `glorot`. */
  readonly fan?: readonly [inputs: number, outputs: number];
  /** Whether weight decay applies: to filters and matrices, not to biases and norms. */
  readonly decay?: boolean;
  /** Whether its last axis is a channel count that `--width` scales. */
  readonly scaled?: boolean;
}

export interface Maker {
  readonly training: boolean;
  /** Appends an operation. Throws ShapeError. */
  op<K extends OpKind>(kind: K, inputs: readonly ValueId[], attrs: Attrs<K>): ValueId;
  shape(id: ValueId): Shape;
  /** A scalar constant. */
  number(value: number): ValueId;
  /** Begins a weighted call: what it gives makes (or, in a layer or a cell, finds again) the call's weights. */
  weighted(): (spec: WeightSpec) => ValueId;
  /** A state of the graph under the names of the weighted call that made `weight`. */
  state(weight: ValueId, role: string, value: number): ValueId;
  /** The state as it stands after the uses so far. */
  latest(state: ValueId): ValueId;
  /** Sets what the state becomes at the end of a step. `evidence` is the value of the batch that it follows. */
  update(state: ValueId, value: ValueId, evidence: ValueId): void;
  /** Uniform numbers in [0, 1), others at every call and step. */
  random(shape: Shape): ValueId;
  /** The labels of a batch dimension. */
  labels(batch: Dim): ValueId;
  /** Keeps class scores and their labels for the net's accuracy. */
  classify(logits: ValueId, labels: ValueId): void;
  /** A channel count under `--width`: as written, or scaled to a multiple of `multiple`. */
  channels(written: number, multiple?: number): number;
  /** Groups under `--width`: as written, or the largest common divisor with the scaled channels. */
  groups(written: number, channels: number): number;
}

/** Standard deviations: he is sqrt(2 / inputs) (He et al., 2015), glorot's uniform one sqrt(2 / (inputs + outputs)) (Glorot and Bengio, 2010). */
function deviation({ init, std }: Initial, [inputs, outputs]: readonly [number, number]): number {
  if (std !== undefined) return std;
  if (init === 'he') return Math.sqrt(2 / inputs);
  if (init === 'glorot') return Math.sqrt(2 / (inputs + outputs));
  return init === 'orthogonal' ? 1 : 0;
}

/** A maker for one call. `loc` is where the call stands, or where the layer that it defines is used. */
export function createMaker(c: Context, call: Pick<Call, 'callee'> & { readonly origin?: Call }, loc: Loc): Maker {
  const inGraph = c.target.builder === c.workshop.builder;
  return {
    training: c.mode === 'train',
    op: (kind, inputs, attrs) => emit(c, loc, kind, inputs, attrs),
    shape: (id) => shapeOf(c, id),
    number: (value) => emit(c, loc, 'constant', [], { shape: [], value }),
    weighted() {
      if (c.grad) throw new Refusal('ZZ2003', `${call.callee.name} makes weights, which a backward route cannot have`);
      const name = c.namer.next();
      return ({ role, shape, init, fan = [1, 1], decay = false, scaled = false }) => {
        const id = `${role}.${name}`;
        const found = hasNode(c, id) ? c.workshop.builder.node(id) : undefined;
        if (found && showShape(found.type.shape) !== showShape(shape)) {
          const related = found.locs.map((first) => ({ message: `the weights ${showShape(found.type.shape)} were made here`, loc: first }));
          throw new Refusal('ZZ3010', `this use needs weights ${showShape(shape)}, but its first use made them ${showShape(found.type.shape)}`, related);
        }
        if (scaled && call.origin) c.workshop.scaled.set(id, call.origin);
        if (call.origin) c.observe?.weight(call.origin, id, shape);
        return shareNode(c, loc, 'weight', { name: id, shape, init: init.init, std: deviation(init, fan), decay }, id);
      };
    },
    state(weight, role, value) {
      const id = `${role}${weight.slice(weight.indexOf('.'))}`;
      const shape = shapeOf(c, weight).map(Number);
      c.target.impure = true;
      return shareNode(c, loc, 'state', { name: id, shape, value }, id);
    },
    // A region that turns out to keep statistics is built again in place, so nothing of it is kept.
    latest: (state) => (inGraph ? (c.workshop.updates.get(state)?.value ?? state) : state),
    update(state, value, evidence) {
      if (!inGraph) return;
      c.workshop.updates.set(state, { value, evidence: [...(c.workshop.updates.get(state)?.evidence ?? []), evidence] });
    },
    random(shape) {
      c.target.impure = true;
      return emit(c, loc, 'random', [], { shape, salt: c.workshop.salt++ });
    },
    labels(batch) {
      c.target.impure = true;
      const factor = batchFactor(batch);
      if (factor === 0) throw new Refusal('ZZ3012', `there is a label for every image of the batch, but the first axis is ${batch}`);
      return shareNode(c, loc, 'labels', { shape: [batchDim(factor)] }, factor === 1 ? 'labels' : `labels.${factor}`);
    },
    classify(logits, labels) {
      if (inGraph) c.workshop.logits.push({ logits, labels, loc });
    },
    channels(written, multiple = 1) {
      const scaled = call.origin && c.scale ? c.scale(call.origin, written) : written;
      return scaled === written ? written : Math.ceil(scaled / multiple) * multiple;
    },
    groups: (written, channels) => (c.scale ? divisor(written, channels) : written),
  };
}

/** The largest common divisor. */
const divisor = (a: number, b: number): number => (b === 0 ? a : divisor(b, a % b));
