// What backends that run step by step on the host do between the steps: look at values, and at the clock.

import type { BufferId, Program } from '../../compiler/5-emit/model.ts';
import type { ProfiledRun, Tensor } from '../backend.ts';
import { checksOf, findingOf, NumericsError, summaryOf } from '../numerics.ts';
import type { Checked, Summary } from '../numerics.ts';

/** Called with the number of the step that is done, or -1 before the first, and what gives a buffer as it is then. */
export type Observe = (done: number, value: (id: BufferId) => Tensor) => void;

/** Looks at every value of a run. Throws NumericsError at the first that is not finite. */
export function lookAt(name: string, program: Program<unknown>, steps: readonly Checked[]): Observe {
  const checks = checksOf(program, steps);
  const summaries: Summary[] = [];
  return (done, value) => {
    for (const { buffer } of checks.filter(({ at }) => at === done)) summaries.push(summaryOf(buffer, value(buffer)));
    const finding = findingOf(name, steps, checks, summaries);
    if (finding) throw new NumericsError(finding);
  };
}

/** From the host's milliseconds before the first step and after each. */
export function profiledRun([start = 0, ...ends]: readonly number[]): ProfiledRun {
  const micro = (time: number): number => 1000 * (time - start);
  return { steps: ends.map((end, i) => ({ begin: micro(ends[i - 1] ?? start), end: micro(end) })) };
}
