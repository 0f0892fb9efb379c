// The graph IR: SSA values in topological order, each with a type, its sources in the .zz file and its place in the topology.

import type { Loc } from '../diagnostics.ts';
import type { Attrs, OpKind } from './ops.ts';
import type { TensorType } from './types.ts';

/** A value's name without the `%`: `12`, `image`, `w.L.1`. */
export type ValueId = string;

/** Where a node stands in the network's topology, kept for dumps, drawings and passes. */
export interface Tags {
  /** The .zz name of the value. */
  readonly name?: string;
  readonly stream?: string;
  readonly step?: number;
  /** The stage of a twin block, from 0. */
  readonly stage?: number;
  /** The use of another net as a function, or of a cell that is no region, by its name: `Block.1`; `f:2` for the second use of the same weights. */
  readonly net?: string;
  /** Absent means forward. */
  readonly phase?: 'backward' | 'update';
  /** The kernel that computes it, set by `fuse`; kernels run in the order of their numbers. */
  readonly kernel?: number;
  /** Why `fuse` kept it apart from a neighbour. */
  readonly note?: string;
  /** Where `memory` puts it: an arena and a byte offset, `temporary+4096`. */
  readonly at?: string;
}

interface NodeOf<K extends OpKind> {
  readonly id: ValueId;
  readonly kind: K;
  readonly inputs: readonly ValueId[];
  readonly attrs: Attrs<K>;
  readonly type: TensorType;
  /** A fused or merged node keeps the locations of all it came from. */
  readonly locs: readonly Loc[];
  readonly tags: Tags;
}

/** A node of one kind, or (without an argument) the union over all kinds. */
export type Node<K extends OpKind = OpKind> = { [P in K]: NodeOf<P> }[K];

/** A cell's body with one stream's weights: parameters in, one result out. Weights are values of the graph. */
export interface Region {
  readonly name: string;
  readonly params: readonly { readonly id: ValueId; readonly type: TensorType }[];
  readonly nodes: readonly Node[];
  readonly result: ValueId;
}

/** A declared backward route: the adjoint of `target` becomes, or is increased by, `value`. */
export interface Route {
  readonly target: ValueId;
  readonly mode: '=' | '+=';
  readonly value: ValueId;
}

/** How the data pipeline makes the readings that enter as `input` nodes. */
export interface ViewSpec {
  /** The `input` node it fills. */
  readonly name: string;
  /** One chain of augmentations for every part of `each`; a plain view has one part. */
  readonly parts: readonly ViewPart[];
}

export interface ViewPart {
  /** The declared input that is read. */
  readonly source: string;
  readonly steps: readonly Augmentation[];
}

/** The augmentations of language.md; lengths in pixels, brightness and noise in units of the 0..1 pixel range. */
export type Augmentation =
  | { readonly op: 'hflip'; readonly p: number }
  | { readonly op: 'crop'; readonly pad: number }
  | { readonly op: 'blur'; readonly sigma: readonly [low: number, high: number] }
  | { readonly op: 'cutout'; readonly size: number }
  | { readonly op: 'brightness'; readonly delta: number }
  | { readonly op: 'noise'; readonly sigma: number }
  | { readonly op: 'sometimes'; readonly p: number; readonly then: Augmentation };

export type OptimizerSettings =
  | { readonly kind: 'adam' | 'adamw' | 'amsgrad'; readonly lr: number; readonly beta1: number; readonly beta2: number; readonly eps: number }
  | { readonly kind: 'rmsprop'; readonly lr: number; readonly alpha: number; readonly eps: number; readonly momentum: number }
  | { readonly kind: 'sgd'; readonly lr: number; readonly momentum: number; readonly nesterov: boolean };

export type ScheduleSettings =
  | { readonly kind: 'constant' }
  | { readonly kind: 'cosine'; readonly warmup: number } // warmup in steps
  | { readonly kind: 'step'; readonly every: number; readonly factor: number } // every in epochs
  | { readonly kind: 'inverse'; readonly rate: number }; // lr / (1 + rate * step)

export interface TrainSettings {
  /** `cifar10`, `synthetic` or a path. */
  readonly dataset: string;
  readonly optimizer: OptimizerSettings;
  readonly schedule: ScheduleSettings;
  readonly batch: number;
  readonly epochs: number;
  readonly seed: number;
  readonly normalize: 'per_batch' | 'channel' | 'none';
  readonly weightDecay: number;
  /** Clip by global norm; 0 is off. */
  readonly clipNorm: number;
}

export interface Graph {
  /** The net's name. */
  readonly name: string;
  /** While training views are random and dropout drops; when evaluating (and predicting) neither. */
  readonly mode: 'train' | 'evaluate';
  readonly nodes: readonly Node[];
  readonly regions: readonly Region[];
  /** What the net gives, by .zz name. */
  readonly outputs: readonly { readonly name: string; readonly value: ValueId }[];
  /** The scalar to minimise; absent when the net has none. */
  readonly loss?: ValueId;
  /** Class scores [N,C] (the operand of the first softmax_cross_entropy) and how many of them are right, f32[]. */
  readonly classifier?: { readonly logits: ValueId; readonly correct: ValueId };
  readonly routes: readonly Route[];
  /** The adjoint of each weight, set by autodiff. */
  readonly gradients: readonly { readonly weight: ValueId; readonly value: ValueId }[];
  /** At the end of a step, `target` (a weight or state) takes `value`. */
  readonly updates: readonly { readonly target: ValueId; readonly value: ValueId }[];
  /** One entry for every `input` node; a plain input is a view of itself without steps. */
  readonly views: readonly ViewSpec[];
  readonly train: TrainSettings;
}
