// What the rows of each record hold: written by the benchmarks of the same names, read by docs/benchmarks.md.

import type { Score } from '../runtime/score.ts';

/** Milliseconds of a step: the median over samples, the middle half of them, the fastest. */
export interface Times {
  readonly median: number;
  readonly low: number;
  readonly high: number;
  readonly fastest: number;
}

/** A training step of a net in one of the programs compared. */
export interface StepRow {
  readonly net: string;
  /** Images that the step reads; some nets read each image twice. */
  readonly readings: number;
  readonly who: 'zigzag' | 'torch' | 'tfjs';
  readonly device: string;
  /** Backend and precision, or mode and precision. */
  readonly how: string;
  readonly ms?: Times;
  readonly steps?: number;
  /** How many numbers the net learns: the same for all, or they do not run the same net. */
  readonly weights?: number;
  /** Why there is no time. */
  readonly missing?: string;
  /** Of zigzag alone: operations a second, and the best that matrix products reached there. */
  readonly flopsPerSecond?: number;
  readonly peak?: number;
}

/** A net's gradients against PyTorch's. */
export interface GradientRow {
  readonly net: string;
  readonly readings: number;
  readonly device: string;
  /** Relative errors: of the loss, and the largest of all weights' gradients; null where one is not finite. */
  readonly loss: number | null;
  readonly error: number | null;
  /** The weight whose gradient has that error. */
  readonly weight: string;
  /** PyTorch's own largest error against f64. */
  readonly rounding: number | null;
  readonly agrees: boolean;
}

/** A training on real images. */
export interface TrainRow {
  readonly net: string;
  readonly backend: string;
  /** Finished epochs. */
  readonly epochs: number;
  /** Of all finished epochs, without evaluation. */
  readonly trainingMinutes: number;
  readonly imagesPerSecond: number;
  readonly train: Score;
  readonly test: Score;
  readonly bestTest: number | null;
}

/** The tests of kernels on an adapter. */
export interface CheckRow {
  readonly adapter: string;
  readonly passed: number;
  readonly skipped: number;
  /** Their names. */
  readonly failed: readonly string[];
}

/** A step of a net on the processor, measured in turn with the others of the same net and task. */
export interface ProcessorRow {
  readonly net: string;
  readonly task: 'train' | 'predict';
  readonly who: string;
  readonly threads: number;
  /** Images that a step reads: slow participants are given fewer. */
  readonly readings: number;
  readonly ms: Times;
  readonly turns: number;
  readonly readingsPerSecond: number;
}

/** A command of docs/quickstart.md in a fresh clone. */
export interface QuickstartRow {
  readonly command: string;
  readonly seconds: number;
  /** The last line that it printed. */
  readonly said: string;
}

/** A product or convolution on the wasm backend; numbers by threads. */
export interface ProductRow {
  readonly name: string;
  readonly gflops: Readonly<Record<string, number>>;
  /** Of what a loop of multiply-adds in registers reaches on as many threads. */
  readonly share: Readonly<Record<string, number>>;
  /** From one thread to all. */
  readonly speedup: number;
}

/** A kind of request to the language server, in milliseconds: how long answers took, and how long the server's own thread ran for them. */
export interface EditorRow {
  readonly request: string;
  readonly asked: number;
  readonly waited: AnswerTimes;
  /** Null where the system does not tell. */
  readonly thread: AnswerTimes | null;
}

interface AnswerTimes {
  readonly median: number;
  readonly most: number;
  /** How many were over 50. */
  readonly late: number;
}
