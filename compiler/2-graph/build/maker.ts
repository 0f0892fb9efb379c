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

/** Standard deviations: he is sqrt(2 / inputs) (He et al., 2015), glorot's uniform one sqrt(2 / (inputs + outputs)) (Glorot and Bengio, 2010). */
function deviation({ init, std }: Initial, [inputs, outputs]: readonly [number, number]): number {
  if (std !== undefined) return std;
  if (init === 'he') return Math.sqrt(2 / inputs);
  if (init === 'glorot') return Math.sqrt(2 / (inputs + outputs));
  return init === 'orthogonal' ? 1 : 0;
}

/** One is made for every call of a net. A class, as closures made anew each time were an eighth of all that a check allocated. */
export class Maker {
  readonly training: boolean;
  readonly #c: Context;
  readonly #call: Call;
  readonly #loc: Loc;

  /** `loc` is where the call stands, or where the layer that it defines is used. */
  constructor(c: Context, call: Call, loc: Loc) {
    this.training = c.mode === 'train';
    this.#c = c;
    this.#call = call;
    this.#loc = loc;
  }

  get #inGraph(): boolean {
    return this.#c.target.builder === this.#c.workshop.builder;
  }

  /** Appends an operation. Throws ShapeError. */
  op<K extends OpKind>(kind: K, inputs: readonly ValueId[], attrs: Attrs<K>): ValueId {
    return emit(this.#c, this.#loc, kind, inputs, attrs);
  }

  shape(id: ValueId): Shape {
    return shapeOf(this.#c, id);
  }

  /** A scalar constant. */
  number(value: number): ValueId {
    return emit(this.#c, this.#loc, 'constant', [], { shape: [], value });
  }

  /** Begins a weighted call: what it gives makes (or, in a layer or a cell, finds again) the call's weights. */
  weighted(): (spec: WeightSpec) => ValueId {
    const [c, call, loc] = [this.#c, this.#call, this.#loc];
    if (c.grad) throw new Refusal('ZZ2003', `${call.callee.name} makes weights, which a backward route cannot have`);
    const name = c.namer.next();
    return ({ role, shape, init, fan = [1, 1], decay = false, scaled = false }) => {
      const id = `${role}.${name}`;
      const found = hasNode(c, id) ? c.workshop.builder.node(id) : undefined;
      if (found && showShape(found.type.shape) !== showShape(shape)) {
        const related = found.locs.map((first) => ({ message: `the weights ${showShape(found.type.shape)} were made here`, loc: first }));
        throw new Refusal('ZZ3010', `this use needs weights ${showShape(shape)}, but its first use made them ${showShape(found.type.shape)}`, related);
      }
      if (scaled) c.workshop.scaled.set(id, call);
      c.observe?.weight(call, id, shape);
      return shareNode(c, loc, 'weight', { name: id, shape, init: init.init, std: deviation(init, fan), decay }, id);
    };
  }

  /** A state of the graph under the names of the weighted call that made `weight`. */
  state(weight: ValueId, role: string, value: number): ValueId {
    const id = `${role}${weight.slice(weight.indexOf('.'))}`;
    const shape = this.shape(weight).map(Number);
    this.#c.target.impure = true;
    return shareNode(this.#c, this.#loc, 'state', { name: id, shape, value }, id);
  }

  /** The state as it stands after the uses so far. */
  latest(state: ValueId): ValueId {
    // A region that turns out to keep statistics is built again in place, so nothing of it is kept.
    return this.#inGraph ? (this.#c.workshop.updates.get(state)?.value ?? state) : state;
  }

  /** Sets what the state becomes at the end of a step. `evidence` is the value of the batch that it follows. */
  update(state: ValueId, value: ValueId, evidence: ValueId): void {
    if (!this.#inGraph) return;
    const { updates } = this.#c.workshop;
    updates.set(state, { value, evidence: [...(updates.get(state)?.evidence ?? []), evidence] });
  }

  /** Uniform numbers in [0, 1), others at every call and step. */
  random(shape: Shape): ValueId {
    this.#c.target.impure = true;
    return emit(this.#c, this.#loc, 'random', [], { shape, salt: this.#c.workshop.salt++ });
  }

  /** The labels of a batch dimension. */
  labels(batch: Dim): ValueId {
    this.#c.target.impure = true;
    const factor = batchFactor(batch);
    if (factor === 0) throw new Refusal('ZZ3012', `there is a label for every image of the batch, but the first axis is ${batch}`);
    return shareNode(this.#c, this.#loc, 'labels', { shape: [batchDim(factor)] }, factor === 1 ? 'labels' : `labels.${factor}`);
  }

  /** Keeps class scores and their labels for the net's accuracy. */
  classify(logits: ValueId, labels: ValueId): void {
    if (this.#inGraph) this.#c.workshop.logits.push({ logits, labels, loc: this.#loc });
  }

  /** A channel count under `--width`: as written, or scaled to a multiple of `multiple`. */
  channels(written: number, multiple = 1): number {
    const scaled = this.#c.scale ? this.#c.scale(this.#call, written) : written;
    return scaled === written ? written : Math.ceil(scaled / multiple) * multiple;
  }

  /** Groups under `--width`: as written, or the largest common divisor with the scaled channels. */
  groups(written: number, channels: number): number {
    return this.#c.scale ? divisor(written, channels) : written;
  }
}

/** The largest common divisor. */
const divisor = (a: number, b: number): number => (b === 0 ? a : divisor(b, a % b));
