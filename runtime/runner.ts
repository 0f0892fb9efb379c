// Runs of programs on batches that the host makes.

import type { Model } from '../compiler/5-emit/model.ts';
import type { Finished, Run, Runner, Session } from './backend.ts';
import type { Batches } from './data/batches.ts';
import { feedsOf, firstImages, programOf } from './feeds.ts';

/** A runner for any backend. While a run is under way the host makes the next one's batch. */
export function hostFed(model: Model, session: Session, batches: Batches): Runner {
  let running: { readonly run: Run; readonly results: ReturnType<Session['run']> } | undefined;
  const finish = async (): Promise<readonly Finished[]> => {
    const last = running;
    running = undefined;
    return last ? [{ run: last.run, results: await last.results }] : [];
  };
  return {
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
