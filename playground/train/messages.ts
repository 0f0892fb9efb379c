// What the page and the worker that trains say to each other.

import type { EpochMetrics, Score } from '../../runtime/score.ts';
import type { Edited } from '../compiler/source.ts';

/** What went wrong, in the words of the command line's errors. */
export interface Trouble {
  readonly message: string;
  readonly advice: string;
}

export type Outcome<T> = { readonly value: T } | { readonly trouble: Trouble };

/** A file that was dropped or chosen, with its path below what was. */
export interface Dropped {
  readonly path: string;
  readonly file: File;
}

/** What is in a data set. */
export interface DataSummary {
  readonly name: string;
  readonly shape: readonly number[];
  readonly classes: readonly string[];
  readonly train: number;
  readonly test: number;
}

export const BACKENDS = ['auto', 'webgpu', 'wasm'] as const;
export type BackendName = (typeof BACKENDS)[number];
export const BACKEND_TITLES: { readonly [B in BackendName]: string } = { auto: 'the fastest', webgpu: 'WebGPU', wasm: 'WebAssembly' };

export interface TrainRequest extends Edited {
  readonly net: string;
  readonly data: 'synthetic' | 'own';
  /** Training images; all where it is not given. Of the test images there are then as many in proportion. */
  readonly images?: number;
  readonly width: number;
  /** Where it is not given, the net's own. */
  readonly epochs?: number;
  readonly backend: BackendName;
}

export interface Opened {
  readonly net: string;
  readonly backend: string;
  readonly device: string;
  readonly data: DataSummary;
  readonly epochs: number;
  readonly stepsPerEpoch: number;
  readonly batch: number;
  /** For people: what is not as they might expect. */
  readonly notes: readonly string[];
  readonly canPredict: boolean;
}

/** One step, or several whose results came together: the loss and the accuracy are means over them. */
export interface Point extends Score {
  /** The last of them, counted from 1 since the run began, and how many they are. */
  readonly step: number;
  readonly steps: number;
}

export interface Confused {
  readonly confusion: readonly (readonly number[])[];
  readonly mistakes: readonly { readonly label: number; readonly predicted: number; readonly probability: number; readonly pixels: Uint8ClampedArray<ArrayBuffer> }[];
}

export type News =
  /** What is under way before the first step. */
  | { readonly kind: 'phase'; readonly text: string }
  | { readonly kind: 'opened'; readonly opened: Opened }
  | { readonly kind: 'steps'; readonly points: readonly Point[]; readonly epoch: number; readonly stepOfEpoch: number; readonly score: Score; readonly imagesPerSecond: number }
  | { readonly kind: 'evaluate'; readonly done: number; readonly total: number }
  | { readonly kind: 'epoch'; readonly metrics: EpochMetrics; readonly evaluationSeconds: number }
  | { readonly kind: 'confused'; readonly confused: Confused };

/** Between threads it resolves once the news has been heard. */
export type OnNews = (news: News) => void | Promise<void>;

export interface Ranked {
  readonly label: string;
  readonly probability: number;
}

export interface Training {
  /** Takes a data set of the user's own in place of an earlier one. */
  readonly bring: (files: readonly Dropped[], onProgress: (text: string) => void) => Promise<Outcome<DataSummary>>;
  /** Begins a run and trains it until it is done or stopped; resolves to whether it is done. An earlier run is given up. */
  readonly train: (request: TrainRequest, onNews: OnNews) => Promise<Outcome<boolean>>;
  /** Goes on with the run where it was stopped. */
  readonly goOn: (onNews: OnNews) => Promise<Outcome<boolean>>;
  readonly stop: () => void;
  /** The classes of one image, the likeliest first. Not while the run trains. */
  readonly predict: (file: File) => Promise<Outcome<readonly Ranked[]>>;
  /** The run's checkpoint as a file. */
  readonly weights: () => Promise<Outcome<{ readonly name: string; readonly bytes: Uint8Array<ArrayBuffer> }>>;
}
