// What runs programs on the batches of a data set: the device, where it can hold the data and make its batches itself, or else the host feeds it.

import type { Model } from '../compiler/5-emit/model.ts';
import type { DeviceData, Finished, Run, Runner, Session } from './backend.ts';
import type { Batches } from './data/batches.ts';
import { feedsOf, firstImages, programOf } from './feeds.ts';

/** The device with these data on it, if there is room, or a runner that the host feeds. */
export const openRunner = async (model: Model, session: Session, batches: Batches, data: DeviceData): Promise<Runner> =>
  (await session.load?.(data)) ?? hostFed(model, session, batches);

/** A runner for any backend. While a run is under way the host makes the next one's batch. */
export function hostFed(model: Model, session: Session, batches: Batches): Runner {
  let running: { readonly run: Run; readonly results: ReturnType<Session['run']> } | undefined;
  const finish = async (): Promise<readonly Finished[]> => {
    const last = running;
    running = undefined;
    return last ? [{ run: last.run, results: await last.results }] : [];
  };
  return {
    fedBy: 'host',
    async begin(run) {
      const { selection, clock, wanted } = run;
      const program = programOf(model, run.program);
      const images = firstImages(batches.images(selection, clock.step), program.batch, selection.batch);
      const feeds = feedsOf(program, images, clock, model.train.seed);
      const finished = await finish();
      running = { run, results: session.run(run.program, feeds, wanted) };
      running.results.catch(() => undefined); // told when it is waited for
      return finished;
    },
    finish,
  };
}
