// Benchmarks and profiles as text for people, in lines of so many columns.

import { groupBy } from '../../compiler/2-graph/group-by.ts';
import { PHASES } from '../../compiler/3-passes/cost.ts';
import { labelled, narrowTable, percent, wrapped } from '../table.ts';
import type { KernelProfile, Profile } from './profile.ts';
import type { Result } from './result.ts';

const ms = (value: number): string => String(Number(value.toPrecision(4)));
const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
const giga = (value: number): string => (value / 1e9).toPrecision(4);

/** Columns of the names before what they say. */
const NAMES = 12;

export function describe({ net, backend, device, precision, batch, readings, weights, steps, ms: times, imagesPerSecond, flops, peak, share, memory }: Result, width: number): string {
  const text = labelled([
    ['step', `${ms(times.median)} ms, the median of ${steps} steps; the middle half ${ms(times.low)} to ${ms(times.high)}, the fastest ${ms(times.fastest)}`],
    ['images/s', `${imagesPerSecond.toFixed(1)}${readings === batch ? '' : `, each read ${readings / batch} times`}`],
    ['arithmetic', `${giga(flops.step)} GFLOP a step, ${giga(flops.contractions)} of them in contractions; ${giga(flops.perSecond)} GFLOP/s`],
    ['peak', peak === null ? 'not measured: this backend runs no matrix products of that kind' : `${giga(peak.flopsPerSecond)} GFLOP/s in matrix products of ${peak.size}; the step has ${percent(share)} of it`],
    ['memory', `${megabytes(memory.kept)} of weights and states, ${megabytes(memory.buffers)} of all buffers, ${megabytes(memory.process)} of the process at its peak`],
  ], NAMES, width);
  return `${net}, ${weights.toLocaleString('en')} weights, ${batch} images a step, in ${precision} on ${backend} (${device})\n${text}\n${wrapped(COUNT, width)}`;
}

const COUNT = 'Counted: the operations of the training graph before fusion, convolutions as direct ones, a multiplication and an addition as two. A backend that multiplies less may pass its own peak.';

/** Groups of kernels that have a row of their own. */
const ROWS = 24;

/** Kernels of one form that do the same work for the same place, as the steps of streams do; the slowest group first. */
function groupsOf(kernels: readonly KernelProfile[]): (readonly KernelProfile[])[] {
  const form = ({ kernel, at, phase, flops, bytes }: KernelProfile): string => [kernel.replace(/(_[\d.]+)+$/, ''), at, phase, flops, bytes].join();
  return [...groupBy(kernels, form).values()].sort((a, b) => total(b) - total(a));
}

/** Milliseconds of kernels together. */
const total = (kernels: readonly KernelProfile[]): number => kernels.reduce((sum, { ms: own }) => sum + own, 0);

function row(group: readonly KernelProfile[], kernelMs: number): string[] {
  const [first] = group;
  if (!first) return [];
  const { kernel, at, phase, flops, bytes, intensity, ofPeak, ofBandwidth } = first;
  const own = total(group);
  // Rates of the group are those of its mean time.
  const slower = own / group.length / first.ms;
  const rate = (of: number): string => amount((1000 * group.length * of) / own / 1e9);
  const share = (of: number | null): string => percent(of === null ? null : of / slower, 0);
  return [
    group.length > 1 ? `${kernel} and ${group.length - 1} like it` : kernel, at?.replace(/^.*\//, '') ?? phase, own.toPrecision(3), percent(kernelMs > 0 ? own / kernelMs : 0),
    amount((group.length * flops) / 1e9), rate(flops), share(ofPeak), amount((group.length * bytes) / 1e6), rate(bytes), share(ofBandwidth), amount(intensity),
  ];
}

const HEAD = ['kernel', 'at', 'ms', 'share', 'GFLOP', 'GFLOP/s', 'peak', 'MB', 'GB/s', 'copy', 'FLOP/B'];
/** What is left out where there are fewer columns than this, for it follows from the rest. */
const WIDE = 124;
const SPARE: readonly string[] = ['GFLOP', 'MB', 'FLOP/B'];

export function describeProfile({ clock, runs, kernels, kernelMs, gapMs, otherMs, bandwidth }: Profile, width: number): string {
  const groups = groupsOf(kernels);
  const rows = groups.slice(0, ROWS).map((group) => row(group, kernelMs));
  const others = groups.slice(ROWS).flat();
  const rest = others.length === 0 ? [] : [[`${others.length} others`, '', total(others).toPrecision(3), percent(kernelMs > 0 ? total(others) / kernelMs : 0)]];
  const phases = PHASES.map((phase) => ({ phase, time: total(kernels.filter((kernel) => kernel.phase === phase)) })).filter(({ time }) => time > 0);
  const text = labelled([
    ['kernels', `${ms(kernelMs)} ms in ${kernels.length} kernels: ${phases.map(({ phase, time }) => `${phase} ${ms(time)}`).join(', ')}`],
    ['gaps', `${ms(gapMs)} ms between them while they are timed`],
    ['other', otherMs >= 0 ? `${ms(otherMs)} ms of a step that is not timed are in no kernel` : `none: a step that is not timed takes ${ms(-otherMs)} ms less than its kernels one by one`],
    ['copies', bandwidth === null ? 'not measured' : `${giga(bandwidth.bytesPerSecond)} GB/s, reading and writing ${megabytes(bandwidth.bytes)}`],
  ], NAMES, width);
  const whose = clock === 'device' ? 'the device\'s clock' : 'the host\'s clock, with the time it takes to start each';
  const cells = [HEAD, ...rows, ...rest].map((all) => all.filter((_, i) => width >= WIDE || !SPARE.includes(HEAD[i] ?? '')));
  return `${wrapped(`Kernels by ${whose}, medians of ${runs} runs:`, width)}\n\n${narrowTable(cells, width)}\n\n${text}\n${wrapped(PROFILED, width)}`;
}

const PROFILED = 'peak, copy: the share of the best matrix products and copies. Bytes: each buffer that a kernel reads or writes once.';

const amount = (value: number): string => (value === 0 ? '0' : value >= 1000 ? value.toFixed(0) : value.toPrecision(3));
