// Runs of a compiled model's programs on images: predictions, training steps, scores.

import type { Artefact, ProgramName, ProgramSet } from '../../compiler/5-emit/artefact.ts';
import type { BufferId, Program } from '../../compiler/5-emit/model.ts';
import type { Clock } from '../backend.ts';
import type { Progress } from '../checkpoint.ts';
import { imageSize, type ImageShape } from '../data/dataset.ts';
import { indicesOf, testSelections } from '../data/loader.ts';
import { plainInputs, separateInputs, trainingInputs, unit, type Inputs, type Pixels, type ReadingPlan } from '../data/readings.ts';
import { RunError } from '../errors.ts';
import { feedsOf, firstImages, rowsOf } from '../feeds.ts';
import { addStep, NO_SUMS, score, type Score } from '../score.ts';
import type { Holder } from './holder.ts';
import type { StepResult } from './model.ts';
import { checkTensor, type Tensor, type TensorData } from './tensor.ts';

export interface Net {
  readonly artefact: Artefact;
  readonly stored: ProgramSet<unknown>;
  readonly holder: Holder;
  readonly seed: number;
  /** The program that predicts. */
  readonly predictor: 'predict' | 'one';
  readonly stepsPerEpoch?: number;
  readonly epochs: number;
}

type Bytes = Tensor<readonly number[], Uint8Array>;
type Given = Tensor<readonly number[], TensorData>;
type Plan = Omit<ReadingPlan, 'views'>;

const STILL: Clock = { step: 0, stepsPerEpoch: 1, totalSteps: 1 };

const shapeOf = ({ artefact }: Net): ImageShape => artefact.image as ImageShape;

function programOf({ artefact, stored }: Net, name: ProgramName): Omit<Program<unknown>, 'code'> {
  const program = stored[name];
  if (!program) throw new RangeError(`net ${artefact.net} has no loss: it predicts, but is neither trained nor scored`);
  return program;
}

/** The pixels of the images at these places. */
function pixelsOf(net: Net, { data }: Bytes, place: (i: number) => number = (i) => i): Pixels {
  const size = imageSize(shapeOf(net));
  return (i) => unit(data, place(i) * size, size);
}

/** Throws RunError where images cannot be normalised, `alone` or in a batch of their own, for want of statistics of others. */
function checkStatistics({ artefact: { net, settings } }: Net, { normalize, channels, companions }: Plan, alone: boolean): void {
  const missing = (normalize === 'channel' && !channels) || (normalize === 'per_batch' && alone && !companions);
  if (missing) throw new RunError(`${net} normalises images with statistics of those it was trained on (${settings.normalize}), and has none`, 'Load weights that zz train wrote, or give training images to calibrate().');
}

/** The wanted buffers for each image, one after the other. The last batch is filled up with repeats, which are left out again. */
export async function predictImages(net: Net, plan: Plan, images: Bytes, wanted: readonly BufferId[]): Promise<ReadonlyMap<BufferId, Float32Array>> {
  const program = programOf(net, net.predictor);
  const count = images.shape[0] ?? 0;
  const { batch } = program;
  checkStatistics(net, plan, true);
  const parts = new Map(wanted.map((id) => [id, [] as Float32Array[]]));
  for (let start = 0; start < count; start += batch) {
    const own = Math.min(batch, count - start);
    const pixels = pixelsOf(net, images, (i) => start + (i % own));
    const inputs = separateInputs({ ...plan, views: program.views }, shapeOf(net), pixels, batch);
    const results = await net.holder.run(net.predictor, feedsOf(program, { inputs, labels: new Int32Array(batch) }, STILL, net.seed), wanted);
    for (const [id, list] of parts) {
      const values = results.get(id) ?? new Float32Array();
      list.push(values.subarray(0, (values.length / batch) * own));
    }
  }
  return new Map([...parts].map(([id, list]) => [id, joined(list)]));
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** One step on a batch of images. */
export async function train(net: Net, plan: Plan, progress: Progress, images: Bytes, labels: Given | undefined): Promise<{ readonly result: StepResult; readonly progress: Progress }> {
  const program = programOf(net, 'train');
  const { batch, loss } = program;
  checkTensor('the images', images, shapeOf(net), batch);
  const own = labelsFor(net, program, labels, batch);
  const { step } = progress;
  const clock = clockOf(net, program, step);
  checkStatistics(net, plan, false);
  const inputs = trainingInputs({ ...plan, views: program.views }, shapeOf(net), pixelsOf(net, images), batch, step);
  const results = await net.holder.run('train', feedsOf(program, { inputs, labels: own }, clock, net.seed), scored(program));
  const value = results.get(loss ?? '')?.[0] ?? NaN;
  const { accuracy } = score(addStep(NO_SUMS, sumsOf(program, results)), program.correct !== undefined);
  return { result: { step: step + 1, loss: value, accuracy }, progress: { ...progress, step: step + 1 } };
}

/** The scores of images, as zz eval takes them: in its order, in batches whose statistics are their own; those left over one by one, normalised as a batch. */
export async function evaluateImages(net: Net, plan: Plan, images: Bytes, labels: Given | undefined): Promise<Score> {
  const program = programOf(net, 'predict');
  if (program.loss === undefined) programOf(net, 'train');
  const count = checkTensor('the images', images, shapeOf(net));
  const all = labelsFor(net, program, labels, count);
  checkStatistics(net, plan, false);
  let sums = NO_SUMS;
  const run = async (name: ProgramName, inputs: Inputs, own: Int32Array): Promise<void> => {
    const target = programOf(net, name);
    const results = await net.holder.run(name, feedsOf(target, { inputs, labels: own }, STILL, net.seed), scored(target));
    sums = addStep(sums, sumsOf(target, results));
  };
  for (const selection of testSelections(count, program.batch)) {
    const { batch } = selection;
    const indices = indicesOf({ count }, selection);
    const own = Int32Array.from(indices, (index) => all[index] ?? 0);
    const inputs = plainInputs({ ...plan, views: program.views }, shapeOf(net), pixelsOf(net, images, (i) => indices[i] ?? 0), batch);
    if (selection.count === batch) await run('predict', inputs, own);
    else {
      for (let i = 0; i < selection.count; i++) {
        const one = firstImages({ inputs: new Map([...inputs].map(([name, values]) => [name, values.subarray((values.length / batch) * i)])), labels: own.subarray(i) }, 1, batch - i);
        await run('one', one.inputs, one.labels);
      }
    }
  }
  return score(sums, program.correct !== undefined);
}

const scored = ({ loss, correct }: Pick<Program<unknown>, 'loss' | 'correct'>): BufferId[] => [loss, correct].filter((id) => id !== undefined);

function sumsOf(program: Omit<Program<unknown>, 'code'>, results: ReadonlyMap<BufferId, Float32Array>): Parameters<typeof addStep>[1] {
  const number = (id: BufferId | undefined): number => (id === undefined ? 0 : (results.get(id)?.[0] ?? NaN));
  return { rows: rowsOf(program), loss: number(program.loss), correct: number(program.correct), seconds: 0 };
}

/** The labels of `count` images; zeros for a net that reads none. Throws RangeError where one is no class. */
function labelsFor({ artefact }: Net, program: Omit<Program<unknown>, 'code'>, labels: Given | undefined, count: number): Int32Array {
  if (!program.buffers.some(({ role }) => role.kind === 'labels')) return new Int32Array(count);
  if (!labels) throw new RangeError(`net ${artefact.net} learns from labels: give one for each image`);
  checkTensor('the labels', labels, [], count);
  const classes = program.buffers.find(({ id }) => id === program.logits)?.shape.at(-1) ?? Infinity;
  const wrong = labels.data.find((label) => !Number.isInteger(label) || label < 0 || label >= classes);
  if (wrong !== undefined) throw new RangeError(`${wrong} is no label: the net has the classes 0 to ${classes - 1}`);
  return Int32Array.from(labels.data);
}

/** Throws RangeError where the schedule of the learning rate asks for the length of an epoch, and none was given. */
function clockOf({ stepsPerEpoch, epochs, artefact }: Net, program: Omit<Program<unknown>, 'code'>, step: number): Clock {
  if (stepsPerEpoch !== undefined) return { step, stepsPerEpoch, totalSteps: stepsPerEpoch * epochs };
  if (program.buffers.some(({ role }) => role.kind === 'scalar' && role.name !== 'step')) {
    throw new RangeError(`the schedule of ${artefact.net}'s learning rate depends on the length of an epoch: give stepsPerEpoch to createModel`);
  }
  return { step, stepsPerEpoch: 1, totalSteps: 1 };
}
