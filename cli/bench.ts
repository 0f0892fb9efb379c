// zz bench: how long a training step takes, what arithmetic it does in that time, and what share that is of the backend's own best.

import type { Program as SourceProgram } from '../compiler/2-graph/build.ts';
import type { compileModel } from '../compiler/compile.ts';
import type { Model, Program } from '../compiler/5-emit/model.ts';
import { BackendError, type Session, type Tensor } from '../runtime/backend.ts';
import type { Images } from '../runtime/feeds.ts';
import type { AddCommand } from './command.ts';
import { BACKEND_NAMES, backendsFor, openFirst } from './backends.ts';
import { offering } from './choice.ts';
import { SourceError } from './diagnostics.ts';
import { EXIT, lineWidth, print, printJson, say, UsageError, type Io } from './io.ts';
import { loadNet, programTexts, type LoadedNet } from './load.ts';
import { positive, threadCount, wholeNumber } from './settings.ts';
import { labelled, percent, wrapped } from './table.ts';

interface Options {
  readonly batch?: number;
  readonly width: number;
  readonly steps?: number;
  readonly backend: string;
  readonly threads?: number;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

export const benchCommand: AddCommand = (program, io, done) => {
  program
    .command('bench')
    .summary('time training steps')
    .description('Times training steps on random images: milliseconds, images a second, arithmetic, its share of the best that matrix products reach on the same backend, memory.')
    .argument('<file>', 'FILE, or FILE:NetName where it has several')
    .option('--batch <images>', 'distinct images a step (default: the net\'s)', wholeNumber)
    .option('--width <factor>', 'scale every channel count but the last, and the pace of learning with it', positive, 1)
    .option('--steps <count>', 'steps that are timed (default: what 10 seconds hold, 5 to 200)', wholeNumber)
    .addOption(offering('--backend <name>', 'which backend', BACKEND_NAMES).default('auto'))
    .option('--threads <count>', 'threads of the wasm backend (default: one a core)', threadCount)
    .option('--json', 'one JSON object on standard output')
    .option('--quiet', 'no progress')
    .addHelpText('after', '\nExamples:\n  zz bench dsl-examples/case-d.zz --width 0.25\n  zz bench net.zz --batch 64 --backend wasm --json\n')
    .action(async (file: string, options: Options) => {
      await bench(file, options, io);
      done(EXIT.good);
    });
};

/** Milliseconds of a step: the median over the samples, the middle half of them, and the fastest. */
interface Times {
  readonly median: number;
  readonly low: number;
  readonly high: number;
  readonly fastest: number;
}

const TRAIN = 'train';

async function bench(file: string, options: Options, io: Io): Promise<void> {
  const net = await loadNet(io, file, { overrides: [], width: options.width });
  if (net.graph.loss === undefined) throw new UsageError(`net ${net.name} has no loss`, 'Add a loss to the net; without one it is not trained.');
  const batch = options.batch ?? net.settings.batch;
  const settings = { ...net.settings, batch };
  const note = (text: string): void => { if (options.json !== true && options.quiet !== true) say(io, text); };
  const work = await workOf(net, settings, batch);

  note('compiling …');
  const { model, session } = await openNet(net.program, net.name, { [TRAIN]: { mode: 'train', batch } }, { settings, width: net.width }, options);
  try {
    note(`timing ${net.name} on ${session.backend} (${session.device}) …`);
    await initialise(model, session);
    const program = model.programs[TRAIN];
    if (!program) throw new RangeError('the model has no training program');
    const { times, steps } = await timeSteps(session, program, settings.seed, options.steps);
    const memory = { ...memoryOf(program), process: process.resourceUsage().maxRSS * 1024 };
    note('timing matrix products …');
    const peak = await measurePeak(session.backend, options);
    const result = {
      event: 'bench', net: net.name, backend: session.backend, device: session.device, batch, readings: batch * Math.max(...program.views.map(({ parts }) => parts.length)), width: net.width,
      weights: program.buffers.reduce((sum, { role, shape }) => sum + (role.kind === 'weight' ? elements(shape) : 0), 0),
      steps, ms: times,
      imagesPerSecond: (1000 * batch) / times.median,
      flops: { ...work, perSecond: (1000 * work.step) / times.median },
      peak, share: peak && (1000 * work.step) / times.median / peak.flopsPerSecond,
      memory,
    };
    if (options.json === true) printJson(io, result);
    else print(io, describe(result, lineWidth(io.stdout)));
  } finally {
    await session.dispose();
  }
}

/** The operations of a step: of the simplified graph, whatever a backend makes of it. */
async function workOf(net: LoadedNet, settings: LoadedNet['settings'], batch: number): Promise<{ readonly step: number; readonly contractions: number }> {
  const [{ compileNet }, { costOf }, { bindBatch }, { passErrorsAs }] = await Promise.all([
    import('../compiler/compile.ts'), import('../compiler/3-passes/cost.ts'), import('../compiler/2-graph/bind.ts'), import('./stages.ts'),
  ]);
  const { graph, diagnostics } = passErrorsAs(net.program, () => compileNet(net.program, net.name, { mode: 'train', width: net.width, settings }));
  if (!graph) throw new SourceError(diagnostics, programTexts(net.program));
  const { contractions, elementwise } = costOf(bindBatch(graph, batch)).total;
  return { step: contractions + elementwise, contractions };
}

type Compiling = Parameters<typeof compileModel>;

async function openNet(program: SourceProgram, net: string, layout: Compiling[2], compile: Compiling[4], { backend, threads }: Pick<Options, 'backend' | 'threads'>): Promise<{ readonly model: Model; readonly session: Session }> {
  const compiler = await import('../compiler/compile.ts');
  return openFirst(backendsFor(backend, { threads }), (target) => {
    const compiled = compiler.compileModel(program, net, layout, target, compile);
    if ('diagnostics' in compiled) throw new SourceError(compiled.diagnostics, programTexts(program));
    return compiled;
  });
}

async function initialise(model: Model, session: Session): Promise<void> {
  const [{ persistent }, { initialValues }] = await Promise.all([import('../runtime/checkpoint.ts'), import('../runtime/init.ts')]);
  for (const [id, values] of initialValues(persistent(model), model.train.seed)) await session.write(id, values);
}

const elements = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Random images and labels for every leaf of a program. */
export async function randomFeeds(program: Program<unknown>, seed: number): Promise<ReadonlyMap<string, Tensor>> {
  const [{ feedsOf }, { uniforms }] = await Promise.all([import('../runtime/feeds.ts'), import('../runtime/random.ts')]);
  const next = uniforms(seed);
  const classes = program.buffers.find(({ id }) => id === program.logits)?.shape.at(-1) ?? 1;
  const images: Images = {
    inputs: new Map(program.buffers.flatMap(({ role, shape }) => (role.kind === 'input' ? [[role.view, Float32Array.from({ length: elements(shape) }, () => 2 * next() - 1)] as const] : []))),
    labels: Int32Array.from({ length: program.batch }, () => Math.floor(classes * next())),
  };
  return feedsOf(program, images, { step: 0, stepsPerEpoch: 100, totalSteps: 1000 }, seed);
}

const WARM_UP = 3;
/** Milliseconds that a sample should last, and all of them together. */
const SAMPLE = 20;
const BUDGET = 10_000;

/**
 * Steps follow each other and only a sample's last loss is read back, as in training without a progress bar: what a device does meanwhile counts, and so does its end.
 * A sample is several steps where one is short.
 */
async function timeSteps(session: Session, program: Program<unknown>, seed: number, wanted: number | undefined): Promise<{ readonly times: Times; readonly steps: number }> {
  const feeds = await randomFeeds(program, seed);
  const sample = async (steps: number): Promise<number> => {
    const began = performance.now();
    for (let i = 1; i <= steps; i++) await session.run(TRAIN, feeds, i === steps && program.loss !== undefined ? [program.loss] : []);
    return (performance.now() - began) / steps;
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

interface Peak {
  readonly flopsPerSecond: number;
  /** Rows and columns of the matrices. */
  readonly size: number;
}

const PRODUCTS = 8;
const SIZES = [128, 256, 512, 1024, 2048, 4096];
/** Larger sizes are not tried once a chain takes so many milliseconds. */
const ENOUGH = 250;

/** The best rate of a chain of square matrix products, compiled for the same backend by the same compiler; null where it runs none. */
async function measurePeak(backend: string, options: Pick<Options, 'threads'>): Promise<Peak | null> {
  const { loadProgram, memoryReader, DEFAULT_SETTINGS } = await import('../compiler/2-graph/build.ts');
  let best: Peak | null = null;
  for (const size of SIZES) {
    const products = ` -> dense(${size}, bias: false)`.repeat(PRODUCTS + 1);
    const program = loadProgram('products.zz', memoryReader({ 'products.zz': `net Products { input x: [1] y = x${products} output result = mean(y) }` }));
    try {
      const { model, session } = await openNet(program, 'Products', { evaluate: { mode: 'evaluate', batch: size } }, { settings: { ...DEFAULT_SETTINGS, batch: size } }, { ...options, backend });
      const took = await timeProducts(model, session).finally(() => session.dispose());
      const flopsPerSecond = (1000 * PRODUCTS * 2 * size ** 3) / took;
      if (best === null || flopsPerSecond > best.flopsPerSecond) best = { flopsPerSecond, size };
      if (took > ENOUGH) break;
    } catch (error) {
      if (error instanceof BackendError) break; // too large for this device
      throw error;
    }
  }
  return best;
}

/** Milliseconds of the fastest of a few runs. */
async function timeProducts(model: Model, session: Session): Promise<number> {
  const { persistent } = await import('../runtime/checkpoint.ts');
  const { evaluate } = model.programs;
  if (!evaluate) throw new RangeError('the model has no program for the products');
  // Numbers of mixed signs that keep their size: products of zeros may run faster than others.
  for (const { id, shape } of persistent(model)) await session.write(id, Float32Array.from({ length: elements(shape) }, (_, i) => (((i * 40_503) % 65_536) / 32_768 - 1) / Math.sqrt(shape[0] ?? 1)));
  const feeds = await randomFeeds(evaluate, 1);
  const wanted = evaluate.outputs.map(({ buffer }) => buffer);
  let best = Infinity;
  for (let i = 0; i < 4; i++) {
    const began = performance.now();
    await session.run('evaluate', feeds, wanted);
    const took = performance.now() - began;
    if (i > 0) best = Math.min(best, took);
    if (took > 4 * ENOUGH) return Math.min(best, took);
  }
  return best;
}

/** Bytes: of weights and states, and of all buffers that the program names. A backend may keep several of them in the same place. */
function memoryOf({ buffers }: Program<unknown>): { readonly kept: number; readonly buffers: number } {
  const bytes = (chosen: Program<unknown>['buffers']): number => chosen.reduce((sum, { shape, dtype }) => sum + elements(shape) * (dtype === 'f16' ? 2 : 4), 0);
  return { kept: bytes(buffers.filter(({ role }) => role.kind === 'weight' || role.kind === 'state')), buffers: bytes(buffers) };
}

interface Result {
  readonly net: string;
  readonly backend: string;
  readonly device: string;
  readonly batch: number;
  readonly readings: number;
  /** How many numbers are learnt. */
  readonly weights: number;
  readonly steps: number;
  readonly ms: Times;
  readonly imagesPerSecond: number;
  readonly flops: { readonly step: number; readonly contractions: number; readonly perSecond: number };
  readonly peak: Peak | null;
  readonly share: number | null;
  readonly memory: { readonly kept: number; readonly buffers: number; readonly process: number };
}

const ms = (value: number): string => String(Number(value.toPrecision(4)));
const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
const giga = (value: number): string => (value / 1e9).toPrecision(4);

function describe({ net, backend, device, batch, readings, weights, steps, ms: times, imagesPerSecond, flops, peak, share, memory }: Result, width: number): string {
  const rows: readonly (readonly [label: string, text: string])[] = [
    ['step', `${ms(times.median)} ms, the median of ${steps} steps; the middle half ${ms(times.low)} to ${ms(times.high)}, the fastest ${ms(times.fastest)}`],
    ['images/s', `${imagesPerSecond.toFixed(1)}${readings === batch ? '' : `, each read ${readings / batch} times`}`],
    ['arithmetic', `${giga(flops.step)} GFLOP a step, ${giga(flops.contractions)} of them in contractions; ${giga(flops.perSecond)} GFLOP/s`],
    ['peak', peak === null ? 'not measured: this backend runs no matrix products of that kind' : `${giga(peak.flopsPerSecond)} GFLOP/s in matrix products of ${peak.size}; the step has ${percent(share)} of it`],
    ['memory', `${megabytes(memory.kept)} of weights and states, ${megabytes(memory.buffers)} of all buffers, ${megabytes(memory.process)} of the process at its peak`],
  ];
  return `${net}, ${weights.toLocaleString('en')} weights, ${batch} images a step, on ${backend} (${device})\n${labelled(rows, 12, width)}\n${wrapped(COUNT, width)}`;
}

const COUNT = 'Counted: the operations of the training graph before fusion, convolutions as direct ones, a multiplication and an addition as two.';
