// How long a step takes: samples of several steps each, and their median.

import type { Steps } from './steps.ts';

/** Milliseconds of a step: the median over the samples, the middle half of them, and the fastest. */
export interface Times {
  readonly median: number;
  readonly low: number;
  readonly high: number;
  readonly fastest: number;
}

const WARM_UP = 3;
/** Milliseconds that a sample should last, and all of them together. */
const SAMPLE = 20;
const BUDGET = 10_000;

/** A sample is several steps where one is short: a device goes on with the next while the host waits for none, and its end counts. */
export async function timeSteps(steps: Steps, wanted: number | undefined): Promise<{ readonly times: Times; readonly steps: number }> {
  const sample = async (count: number): Promise<number> => {
    const began = performance.now();
    await steps(count);
    return (performance.now() - began) / count;
  };
  let estimate = Infinity;
  for (let i = 0; i < WARM_UP; i++) estimate = Math.min(estimate, await sample(1));
  const total = wanted ?? Math.min(200, Math.max(5, Math.round(BUDGET / estimate)));
  const each = Math.max(1, Math.min(Math.ceil(SAMPLE / estimate), Math.floor(total / 5)));
  const samples: number[] = [];
  for (let taken = 0; taken + each <= total; taken += each) samples.push(await sample(each));
  return { times: spread(samples), steps: samples.length * each };
}

function spread(samples: readonly number[]): Times {
  const sorted = samples.toSorted((a, b) => a - b);
  const at = (share: number): number => {
    const place = share * (sorted.length - 1);
    const [low, high] = [sorted[Math.floor(place)] ?? NaN, sorted[Math.ceil(place)] ?? NaN];
    return low + (high - low) * (place - Math.floor(place));
  };
  return { median: at(0.5), low: at(0.25), high: at(0.75), fastest: at(0) };
}
