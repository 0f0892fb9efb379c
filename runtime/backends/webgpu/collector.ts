// Results of runs that follow each other: collected in one buffer for many runs, which the host maps when it is full or a second has passed. The device goes on meanwhile.

import type { Finished, Run } from '../../backend.ts';
import type { Place } from './allocate.ts';
import type { Watch } from './errors.ts';
import { createStaging, laidOut, type Staging } from './readback.ts';

export interface Collector {
  /** Copies what a run gives, as the last of its commands. */
  readonly add: (encoder: GPUCommandEncoder, run: Run, places: readonly Place[]) => void;
  /** The runs whose results have come since, in order; to be asked when the commands of those that were added are submitted. */
  readonly ready: () => Promise<readonly Finished[]>;
  /** The results of all runs that were added, when they are done. */
  readonly all: () => Promise<readonly Finished[]>;
}

/** Bytes of a buffer, or more where a single run gives more. */
const CAPACITY = 2 ** 18;
/** Milliseconds after which results are read, although there is room for more. */
const READ_EVERY = 1000;

interface Collected {
  readonly run: Run;
  readonly parts: ReturnType<typeof laidOut>['parts'];
}

export function createCollector(gpu: GPUDevice, { guard }: Watch): Collector {
  let open: { readonly staging: Staging; readonly collected: Collected[]; readonly since: number; end: number } | undefined;
  const reading: { readonly finished: Promise<readonly Finished[]>; settled: boolean }[] = [];

  const close = (): void => {
    if (!open) return;
    const { staging, collected } = open;
    open = undefined;
    // Runs that give nothing are waited for as well.
    const values = guard(gpu.queue.onSubmittedWorkDone().then(() => staging.read(collected.flatMap(({ parts }) => parts))));
    const entry = { finished: values.then((all) => assigned(collected, all)), settled: false };
    const settle = (): void => void (entry.settled = true);
    entry.finished.then(settle, settle);
    reading.push(entry);
  };
  const take = async (isNext: () => boolean): Promise<readonly Finished[]> => {
    const taken: Finished[] = [];
    while (reading.length > 0 && isNext()) taken.push(...((await reading.shift()?.finished) ?? []));
    return taken;
  };

  return {
    add(encoder, run, places) {
      const { end } = laidOut(places);
      if (open && open.end + end > open.staging.size) close();
      open ??= { staging: createStaging(gpu, Math.max(CAPACITY, end)), collected: [], since: performance.now(), end: 0 };
      const { parts, end: after } = laidOut(places, open.end);
      for (const { place, offset } of parts) open.staging.copy(encoder, place, offset);
      open.collected.push({ run, parts });
      open.end = after;
    },
    ready() {
      if (open && performance.now() - open.since >= READ_EVERY) close();
      return take(() => reading[0]?.settled === true);
    },
    all() {
      close();
      return take(() => true);
    },
  };
}

/** The values, which are those of all runs one after the other, by run. */
function assigned(collected: readonly Collected[], values: readonly Float32Array[]): Finished[] {
  let next = 0;
  return collected.map(({ run, parts }) => ({ run, results: new Map(parts.map(({ place }) => [place.spec.id, values[next++] ?? new Float32Array(0)])) }));
}
