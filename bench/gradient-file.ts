// One training step of a net in a safetensors file: weights, images, labels, loss and gradients.

import { writeFile } from 'node:fs/promises';
import { makePlan, trainBatch } from '../runtime/data/loader.ts';
import { openDataset } from '../runtime/data/open.ts';
import { feedsOf } from '../runtime/feeds.ts';
import { encodeSafetensors } from '../runtime/safetensors.ts';
import type { StoredTensor } from '../runtime/safetensors.ts';
import { TRAIN } from '../runtime/train.ts';
import { openExample } from './examples.ts';
import type { ExampleOptions } from './examples.ts';

/** With SGD from momentum zero, a step leaves each weight's gradient in its velocity as it is. */
const OPTIMIZER = { kind: 'sgd', lr: 0.01, momentum: 0.9, nesterov: false } as const;
const velocity = (weight: string): string => `m.${weight}`;

export interface StepOptions extends Omit<ExampleOptions, 'settings'> {
  /** A data set's name or path. */
  readonly data: string;
}

/** Steps after which the first scale of the loss must be small enough: by then it is 2^-8. */
const TRIES = 24;

/** Runs one step of a net and writes what it started from and what came out, as bench/torch/gradients.py reads it. Gives the device's name. */
export async function writeStep(file: string, net: string, { data, ...where }: StepOptions): Promise<string> {
  const { session, program, settings } = await openExample(net, { ...where, settings: { optimizer: OPTIMIZER, weightDecay: 0, clipNorm: 0 } });
  try {
    const weights = program.buffers.filter(({ role }) => role.kind === 'weight');
    const tensors = new Map<string, StoredTensor>();
    for (const { id, shape } of weights) tensors.set(`weight/${id}`, { shape, data: await session.read(id) });
    const shape = program.buffers.find(({ role }) => role.kind === 'input')?.shape.slice(1);
    const dataset = await openDataset(data, { ...(shape && { shape }) });
    const feeds = feedsOf(program, trainBatch(dataset, makePlan(dataset, { ...settings, views: program.views }), 0), { step: 0, stepsPerEpoch: 1, totalSteps: 1 }, settings.seed);
    for (const { id, shape: of, role } of program.buffers) {
      if (role.kind === 'input') tensors.set(`input/${role.view}`, { shape: of, data: Float32Array.from(feeds.get(id) ?? []) });
      if (role.kind === 'labels') tensors.set('labels', { shape: of, data: Float32Array.from(feeds.get(id) ?? []) });
    }
    const loss = program.loss ?? '';
    const step = async (): Promise<Float32Array> => (await session.run(TRAIN, feeds, [loss])).get(loss) ?? Float32Array.of(NaN);
    tensors.set('loss', { shape: [], data: await step() });
    // In f16 a step may be left out, and is taken again with a smaller scale: it has changed nothing else.
    const skipped = async (): Promise<number> => (program.scaling ? ((await session.read(program.scaling.skipped))[0] ?? 0) : 0);
    for (let tries = 1; (await skipped()) === tries; tries++) {
      if (tries === TRIES) throw new Error(`${net}: no step of ${TRIES} has finite gradients`);
      await step();
    }
    for (const { id, shape: of } of weights) tensors.set(`gradient/${id}`, { shape: of, data: await session.read(velocity(id)) });
    const channels = [...new Set(weights.map((weight) => weight.shape.at(-1) ?? 0))];
    const [small = 0, large = 0] = channels;
    await writeFile(file, encodeSafetensors({ tensors, metadata: { net, small: String(small), large: String(large) } }));
    return session.device;
  } finally {
    await session.dispose();
  }
}
