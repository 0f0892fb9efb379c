// Training steps as they are timed: one after the other, and only the last one's loss is waited for.

import type { Model, Program } from '../../compiler/5-emit/model.ts';
import type { Session, Tensor } from '../../runtime/backend.ts';
import type { ImageShape } from '../../runtime/data/dataset.ts';
import { trainSelection } from '../../runtime/data/loader.ts';
import { programOf } from '../../runtime/feeds.ts';
import { uniforms } from '../../runtime/random.ts';

/** Takes so many steps; resolves when the last is done. */
export type Steps = (count: number) => Promise<void>;

/** Steps of a program on the same feeds every time. */
export const fedSteps = (session: Session, name: string, { loss }: Program<unknown>, feeds: ReadonlyMap<string, Tensor>): Steps => async (count) => {
  for (let i = 1; i <= count; i++) await session.run(name, feeds, i === count && loss !== undefined ? [loss] : []);
};

/** Batches' worth of images that a device is given. */
const BATCHES = 4;

/** Steps that make their batches of random images on the device, as in training; undefined where the device does not. */
export async function ownSteps(session: Session, model: Model, name: string): Promise<Steps | undefined> {
  if (!session.load) return undefined;
  const program = programOf(model, name);
  const { batch, views, loss } = program;
  const shape = program.buffers.find(({ role }) => role.kind === 'input')?.shape.slice(1) ?? [];
  const classes = program.buffers.find(({ id }) => id === program.logits)?.shape.at(-1) ?? 1;
  const count = BATCHES * batch;
  const next = uniforms(model.train.seed);
  const train = {
    count,
    images: Uint8Array.from({ length: count * shape.reduce((a, b) => a * b, 1) }, () => 256 * next()),
    labels: Uint16Array.from({ length: count }, () => classes * next()),
  };
  const channels = shape.at(-1) ?? 0;
  const runner = await session.load({ splits: { train }, channels: { mean: new Array<number>(channels).fill(0.5), std: new Array<number>(channels).fill(0.3) } });
  if (!runner) return undefined;
  const dataset = { name: 'random', shape: shape as unknown as ImageShape, classes: [], train, test: train };
  const plan = { batch, views, seed: model.train.seed, normalize: model.train.normalize };
  let step = 0;
  return async (steps) => {
    for (let i = 0; i < steps; i++, step++) {
      await runner.begin({ program: name, selection: trainSelection(dataset, plan, step), clock: { step, stepsPerEpoch: BATCHES, totalSteps: 1000 }, wanted: loss === undefined ? [] : [loss] });
    }
    await runner.finish();
  };
}
