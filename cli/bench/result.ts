// What a benchmark gives: with --json, one object of this form.

import type { Precision } from '../../compiler/3-passes/precision.ts';
import type { Peak } from './peak.ts';
import type { Profile } from './profile.ts';
import type { Times } from './time.ts';

export interface Result {
  readonly event: 'bench';
  readonly net: string;
  readonly backend: string;
  readonly device: string;
  /** What activations and adjoints are stored in, and what the peak's products multiply. */
  readonly precision: Precision;
  readonly batch: number;
  /** Images that a step reads: some nets read each of them several times. */
  readonly readings: number;
  readonly width: number;
  /** How many numbers are learnt. */
  readonly weights: number;
  readonly steps: number;
  readonly ms: Times;
  readonly imagesPerSecond: number;
  readonly flops: { readonly step: number; readonly contractions: number; readonly perSecond: number };
  readonly peak: Peak | null;
  readonly share: number | null;
  readonly memory: { readonly kept: number; readonly buffers: number; readonly process: number };
  readonly profile?: Profile;
}
