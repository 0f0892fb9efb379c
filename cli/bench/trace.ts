// A profile as a file for ui.perfetto.dev and chrome://tracing: the Trace Event Format, "JSON Object Format".
// https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU

import type { ProfiledRun } from '../../runtime/backend.ts';
import type { KernelProfile } from './profile.ts';

/** A slice (X, times in microseconds), a counter (C), or a name of a process or thread (M). */
export type TraceEvent =
  | { readonly ph: 'X'; readonly name: string; readonly cat: string; readonly ts: number; readonly dur: number; readonly pid: number; readonly tid: number; readonly args: Readonly<Record<string, unknown>> }
  | { readonly ph: 'C'; readonly name: string; readonly ts: number; readonly pid: number; readonly args: Readonly<Record<string, number>> }
  | { readonly ph: 'M'; readonly name: 'process_name' | 'thread_name'; readonly pid: number; readonly tid?: number; readonly args: { readonly name: string } };

export interface Trace {
  readonly displayTimeUnit: 'ms';
  readonly traceEvents: readonly TraceEvent[];
  readonly otherData: Readonly<Record<string, string>>;
}

const PID = 1;
const [STEPS, KERNELS] = [1, 2];
/** Microseconds between two runs in the picture; on the device they are farther apart. */
const PAUSE = 50;

/** The runs one after the other: a slice for each, a slice for each of its kernels, and the rates as counters. `kernels` are in the order they run. */
export function traceOf(runs: readonly ProfiledRun[], kernels: readonly KernelProfile[], about: { readonly title: string; readonly data: Readonly<Record<string, string>> }): Trace {
  const events: TraceEvent[] = [
    { ph: 'M', name: 'process_name', pid: PID, args: { name: about.title } },
    { ph: 'M', name: 'thread_name', pid: PID, tid: STEPS, args: { name: 'steps' } },
    { ph: 'M', name: 'thread_name', pid: PID, tid: KERNELS, args: { name: 'kernels' } },
  ];
  let start = 0;
  runs.forEach(({ steps }, i) => {
    const length = steps.at(-1)?.end ?? 0;
    events.push({ ph: 'X', name: `step ${i + 1}`, cat: 'step', ts: start, dur: length, pid: PID, tid: STEPS, args: { kernels: steps.length } });
    steps.forEach(({ begin, end }, j) => {
      const kernel = kernels[j];
      if (!kernel) return;
      const [ts, dur] = [start + begin, end - begin];
      const { kernel: name, phase, at, operations, flops, bytes } = kernel;
      const rate = (amount: number): number => (dur > 0 ? round(amount / dur / 1000) : 0);
      events.push({ ph: 'X', name, cat: phase, ts, dur, pid: PID, tid: KERNELS, args: { operations: operations.join(' '), ...(at !== null && { at }), flops, bytes, 'GFLOP/s': rate(flops), 'GB/s': rate(bytes) } });
      events.push({ ph: 'C', name: 'GFLOP/s', ts, pid: PID, args: { rate: rate(flops) } }, { ph: 'C', name: 'GB/s', ts, pid: PID, args: { rate: rate(bytes) } });
    });
    for (const name of ['GFLOP/s', 'GB/s']) events.push({ ph: 'C', name, ts: start + length, pid: PID, args: { rate: 0 } });
    start += length + PAUSE;
  });
  return { displayTimeUnit: 'ms', traceEvents: events, otherData: about.data };
}

const round = (value: number): number => Number(value.toPrecision(4));
