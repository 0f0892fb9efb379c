// The classes of single images.

import type { Model } from '../compiler/5-emit/model.ts';
import type { Session } from './backend.ts';
import type { Batch } from './data/loader.ts';
import { EVALUATE, softmax } from './evaluate.ts';
import { feedsOf, programOf } from './feeds.ts';

/** The class probabilities of the batch's own images; of a net with a classifier. */
export async function classify(model: Model, session: Session, batch: Batch): Promise<Float64Array[]> {
  const program = programOf(model, EVALUATE);
  const logits = program.logits ?? '';
  const results = await session.run(EVALUATE, feedsOf(program, batch, { step: 0, stepsPerEpoch: 1, totalSteps: 1 }, model.train.seed), [logits]);
  const scores = results.get(logits) ?? new Float32Array();
  const classes = scores.length / program.batch;
  return Array.from({ length: batch.count }, (_, i) => softmax(scores.subarray(i * classes, (i + 1) * classes)));
}
