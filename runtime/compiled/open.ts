// Opens a compiled model: the backend, the weights, and what an application does with them.

import type { Artefact, ArtefactBackend, StepOf, StoredPrograms } from '../../compiler/5-emit/artefact.ts';
import type { Backend } from '../backend.ts';
import { encodeCheckpoint, persistent } from '../checkpoint.ts';
import type { ImageShape } from '../data/dataset.ts';
import { inputStatistics } from '../data/loader.ts';
import type { InputStatistics } from '../data/normalize.ts';
import type { ReadingPlan } from '../data/readings.ts';
import { softmax } from '../evaluate.ts';
import { withBackend, type Host, type Hosts } from './backends.ts';
import { checkDigest, checkFormat, modelOf } from './decode.ts';
import { createHolder, type Holder } from './holder.ts';
import type { Classification, CompiledModel, NetTypes, OpenOptions } from './model.ts';
import { evaluateImages, predictImages, train, type Net } from './run.ts';
import { checkTensor, type Tensor } from './tensor.ts';
import { freshWeights, weightsIn, type Wanted } from './weights.ts';

/** Reads a file of weights. */
export type ReadBytes = (url: URL) => Promise<Uint8Array>;

/**
 * Opens the model on a backend that works here.
 * Throws RangeError where the options make no sense, RunError where the weights are damaged or of another net, BackendError where no backend works.
 */
export async function openArtefact<T extends NetTypes>(artefact: Artefact, hosts: Hosts, options: OpenOptions, readBytes: ReadBytes): Promise<CompiledModel<T>> {
  checkFormat(artefact);
  checkOptions(options);
  const { weights = 'initial', backend = 'auto' } = options;
  const bytes = weights === 'initial' ? undefined : weights instanceof URL ? await readBytes(weights) : new Uint8Array(weights);
  const seed = options.seed ?? artefact.settings.seed;
  return withBackend(hosts, artefact.backends, backend, async (name, software) => {
    const entry: StoredPrograms<unknown> | undefined = artefact.backends[name];
    if (!entry) throw new RangeError(`net ${artefact.net} was compiled without the backend ${name}`);
    checkDigest(artefact.net, entry);
    const stored = entry.programs;
    const { predict, one } = stored;
    const batches = [predict.batch, ...(one ? [one.batch] : [])];
    const { batch = predict.batch } = options;
    if (!batches.includes(batch)) throw new RangeError(`the model was not compiled for ${batch} images at once; it has ${batches.toSorted((a, b) => a - b).join(' and ')}`);
    const specs = persistent({ programs: { ...stored } as Record<string, typeof predict> });
    const wanted: Wanted = { net: artefact.net, specs, needed: new Set(persistent({ programs: { predict } }).map(({ id }) => id)), seed };
    const first = bytes ? weightsIn(bytes, wanted) : freshWeights(wanted);
    const open = opener(artefact, name, hosts, software, options.threads);
    const holder = await createHolder(open, specs, first.values, batch === predict.batch ? 'predict' : 'one');
    const { stepsPerEpoch, epochs = artefact.settings.epochs } = options;
    const net: Net = { artefact, stored, holder, seed, predictor: batch === predict.batch ? 'predict' : 'one', epochs, ...(stepsPerEpoch !== undefined && { stepsPerEpoch }) };
    return createModel<T>(net, holder, wanted, first);
  });
}

/** Callers in JavaScript have no types to keep them. Throws RangeError. */
function checkOptions({ weights, seed, stepsPerEpoch, epochs }: OpenOptions): void {
  const whole = (name: string, value: number | undefined, least: number): void => {
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= least)) throw new RangeError(`${name} is ${String(value)}: a whole number from ${least} is needed`);
  };
  whole('seed', seed, 0);
  whole('stepsPerEpoch', stepsPerEpoch, 1);
  whole('epochs', epochs, 1);
  const known: readonly unknown[] = [undefined, 'initial'];
  if (!known.includes(weights) && ![Uint8Array, ArrayBuffer, URL].some((type) => weights instanceof type)) {
    throw new RangeError(`weights are ${JSON.stringify(weights)}: bytes, a URL or 'initial' is needed; the URL of a path beside a module is new URL(path, import.meta.url)`);
  }
}

/** What opens some of the programs on the backend. */
function opener(artefact: Artefact, name: ArtefactBackend, hosts: Hosts, software: boolean, threads: number | undefined) {
  const on = <B extends ArtefactBackend>(backend: B) => {
    const host = hosts[backend] as Host<StepOf[B]> | undefined;
    const stored = artefact.backends[backend] as StoredPrograms<StepOf[B]> | undefined;
    if (!host || !stored) throw new RangeError(`net ${artefact.net} was compiled without the backend ${backend}`);
    const device: Backend<StepOf[B]> = host.backend({ software, ...(threads !== undefined && { threads }) });
    return async (names: Parameters<typeof modelOf>[2]) => {
      const model = await modelOf(artefact, stored.programs, names, host.relaxedSimd?.() ?? false);
      return { model, session: await device.open(model) };
    };
  };
  return on(name);
}

function createModel<T extends NetTypes>(net: Net, holder: Holder, wanted: Wanted, first: ReturnType<typeof freshWeights>): CompiledModel<T> {
  const { artefact, stored } = net;
  const { classes, settings } = artefact;
  const image = artefact.image as ImageShape;
  let { progress, statistics } = first;
  /** Set by dispose. */
  let ended: Promise<void> | undefined;
  let queue: Promise<unknown> = Promise.resolve();

  /** One thing at a time: what trains and what predicts share a device. */
  const inTurn = <A extends readonly unknown[], R>(work: (...args: A) => Promise<R>) => (...args: A): Promise<R> => {
    if (ended) return Promise.reject(new Error('the model is disposed'));
    const result = queue.then(() => work(...args));
    queue = result.catch(() => undefined);
    return result;
  };
  const plan = (): Omit<ReadingPlan, 'views'> => ({ seed: net.seed, normalize: settings.normalize, ...statistics });
  const scores = async (images: Tensor<readonly number[], Uint8Array>) => {
    const { logits } = stored.predict;
    if (logits === undefined) throw new RangeError(`net ${artefact.net} has no class scores`);
    return (await predictImages(net, plan(), images, [logits])).get(logits) ?? new Float32Array();
  };

  return {
    get backend() { return holder.session().backend; },
    get device() { return holder.session().device; },

    predict: inTurn(async (images) => {
      const count = checkTensor('the images', images, image);
      const found = await predictImages(net, plan(), images, stored.predict.outputs.map(({ buffer }) => buffer));
      const byName = stored.predict.outputs.flatMap(({ name, buffer }) => {
        const shape = artefact.outputs[name];
        return shape ? [[name, { shape: [count, ...shape], data: found.get(buffer) ?? new Float32Array() }] as const] : [];
      });
      return Object.fromEntries(byName) as never;
    }),

    classify: inTurn(async (images) => {
      const count = checkTensor('the images', images, image);
      const all = await scores(images);
      const each = all.length / count;
      return Array.from({ length: count }, (_, i) => classification<T['classes']>(softmax(all.subarray(i * each, (i + 1) * each)), classes));
    }),

    trainStep: inTurn(async (images, labels) => {
      const { result, progress: next } = await train(net, plan(), progress, images, labels);
      progress = next;
      return result;
    }),

    evaluate: inTurn((images, labels) => evaluateImages(net, plan(), images, labels)),

    calibrate(images) {
      const count = checkTensor('the images', images, image);
      statistics = inputStatistics({ count, images: images.data }, image, settings.normalize, stored.predict.batch);
    },

    save: inTurn(async () => encodeCheckpoint({ net: artefact.net, progress, statistics, tensors: await holder.read() })),

    load: inTurn(async (bytes) => {
      const loaded = weightsIn(new Uint8Array(bytes), wanted);
      await holder.write(loaded.values);
      ({ progress, statistics } = { ...loaded, statistics: hasStatistics(loaded.statistics) ? loaded.statistics : statistics });
    }),

    dispose: () => (ended ??= queue.then(() => holder.dispose())),
  };
}

const hasStatistics = ({ channels, companions }: InputStatistics): boolean => channels !== undefined || companions !== undefined;

function classification<Class extends string>(probabilities: Float64Array, classes: readonly string[]): Classification<Class> {
  const index = probabilities.reduce((best, value, i) => (value > (probabilities[best] ?? -Infinity) ? i : best), 0);
  return { class: (classes[index] ?? String(index)) as Class, index, probability: probabilities[index] ?? NaN, probabilities };
}
