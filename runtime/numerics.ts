// Values that are not finite: what a checked run says of the first step that made one. Backends look, each in its own way, and report here.

import type { BufferId, Program } from '../compiler/5-emit/model.ts';

/** What there is in a buffer: how many elements are NaN or infinite, and between what the finite ones lie (low > high where there are none). */
export interface Summary {
  readonly buffer: BufferId;
  readonly elements: number;
  readonly nan: number;
  readonly infinite: number;
  readonly low: number;
  readonly high: number;
}

export interface Finding {
  readonly program: string;
  /** The step that made them; absent where they came in: as images, or in a weight or state. */
  readonly step?: string;
  /** The buffers that hold some. */
  readonly found: readonly Summary[];
  /** What the step read, as it was then. */
  readonly inputs: readonly Summary[];
}

/** A checked run met a value that is not finite. What it computed is not to be used. */
export class NumericsError extends Error {
  readonly finding: Finding;
  constructor(finding: Finding) {
    super(`${finding.found.map(showSummary).join('; ')}${finding.step === undefined ? '' : `, made by ${finding.step}`}`);
    this.name = 'NumericsError';
    this.finding = finding;
  }
}

/** `%y: 3 of 96 values are NaN, 2 infinite` or `%x: 96 values from -1 to 2`. */
export function showSummary({ buffer, elements, nan, infinite, low, high }: Summary): string {
  const count = (n: number): string => `${n.toLocaleString('en')} ${n === 1 ? 'value' : 'values'}`;
  const range = low > high ? '' : `${low === high ? '' : 'from '}${short(low)}${low === high ? '' : ` to ${short(high)}`}`;
  if (nan + infinite === 0) return `%${buffer}: ${count(elements)}${low === high ? ' of ' : ' '}${range}`;
  const kinds = [...(nan > 0 ? [`${nan.toLocaleString('en')} NaN`] : []), ...(infinite > 0 ? [`${infinite.toLocaleString('en')} infinite`] : [])];
  return `%${buffer}: ${kinds.join(' and ')} of ${count(elements)}${range === '' ? '' : `, the others ${range}`}`;
}

const short = (value: number): string => String(Number(value.toPrecision(3)));

export function summaryOf(buffer: BufferId, values: ArrayLike<number>): Summary {
  let [nan, infinite, low, high] = [0, 0, Infinity, -Infinity];
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    if (Number.isNaN(value)) nan++;
    else if (!Number.isFinite(value)) infinite++;
    else {
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  return { buffer, elements: values.length, nan, infinite, low, high };
}

const isSound = ({ nan, infinite }: Summary): boolean => nan + infinite === 0;

/** A step as a check sees it. */
export interface Checked {
  readonly step: string;
  readonly reads: readonly BufferId[];
  readonly writes: readonly BufferId[];
}

/** When a buffer is looked at: after the step of that number, or before all steps at -1. */
export interface Check {
  readonly at: number;
  readonly buffer: BufferId;
}

/**
 * What to look at in a run of a program: the buffers that it starts from, then those that each step writes. One that several steps write is looked at when it is
 * whole; before, the rest of it holds whatever was there.
 */
export function checksOf({ buffers }: Pick<Program<unknown>, 'buffers'>, steps: readonly Checked[]): Check[] {
  const leaves = buffers.filter(({ role }) => !['temporary', 'constant', 'arena'].includes(role.kind)).map(({ id }) => ({ at: -1, buffer: id }));
  const last = new Map(steps.flatMap(({ writes }, at) => writes.map((buffer) => [buffer, at] as const)));
  const written = steps.flatMap(({ writes }, at) => [...new Set(writes)].filter((buffer) => last.get(buffer) === at).map((buffer) => ({ at, buffer })));
  return [...leaves, ...written];
}

/** The first finding of a run, from the summaries of its checks in their order; undefined where all is finite. */
export function findingOf(program: string, steps: readonly Checked[], checks: readonly Check[], summaries: readonly Summary[]): Finding | undefined {
  const first = checks[summaries.findIndex((summary) => !isSound(summary))];
  if (!first) return undefined;
  const found = summaries.filter((summary, i) => checks[i]?.at === first.at && !isSound(summary));
  const step = steps[first.at];
  if (!step) return { program, found, inputs: [] };
  const before = new Map(summaries.flatMap((summary, i) => ((checks[i]?.at ?? Infinity) < first.at ? [[summary.buffer, summary] as const] : [])));
  return { program, step: step.step, found, inputs: [...new Set(step.reads)].flatMap((buffer) => before.get(buffer) ?? []) };
}
