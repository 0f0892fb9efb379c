// A benchmark of a net: steps are timed, and what they do is set against the best that the backend reaches.

import { dirname } from 'node:path';
import { bindBatch } from '../../compiler/2-graph/bind.ts';
import { costOf } from '../../compiler/3-passes/cost.ts';
import { compileNet } from '../../compiler/compile.ts';
import type { Program } from '../../compiler/5-emit/model.ts';
import { persistent } from '../../runtime/checkpoint.ts';
import { programOf } from '../../runtime/feeds.ts';
import { makeFolder, writeWhole } from '../../runtime/files.ts';
import { initialValues } from '../../runtime/init.ts';
import { SourceError } from '../diagnostics.ts';
import { at, lineWidth, print, printJson, say, UsageError, type Io } from '../io.ts';
import { loadNet, programTexts, type LoadedNet } from '../load.ts';
import { passErrorsAs } from '../stages.ts';
import { elements, openNet, randomFeeds, type Where } from './open.ts';
import { measureBandwidth, measurePeak } from './peak.ts';
import { profileOf } from './profile.ts';
import type { Result } from './result.ts';
import { fedSteps, ownSteps } from './steps.ts';
import { describe, describeProfile } from './text.ts';
import { timeSteps } from './time.ts';
import { traceOf } from './trace.ts';
import type { TuneFlag } from '../tuning/option.ts';
import { tuningRequest } from '../tuning/request.ts';

export interface Options extends Omit<Where, 'tuning'> {
  readonly tune?: TuneFlag;
  readonly batch?: number;
  readonly width: number;
  readonly steps?: number;
  readonly profile?: boolean;
  /** The file for a trace. */
  readonly trace?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

const TRAIN = 'train';

export async function bench(file: string, options: Options, io: Io): Promise<void> {
  const net = await loadNet(io, file, { overrides: [], width: options.width });
  if (net.graph.loss === undefined) throw new UsageError(`net ${net.name} has no loss`, 'Add a loss to the net; without one it is not trained.');
  const batch = options.batch ?? net.settings.batch;
  const settings = { ...net.settings, batch };
  const note = (text: string): void => { if (options.json !== true && options.quiet !== true) say(io, text); };
  const work = workOf(net, settings, batch);

  note('compiling …');
  const { model, graphs, session } = await openNet(net.program, net.name, { [TRAIN]: { mode: 'train', batch } }, { settings, width: net.width }, { backend: options.backend, threads: options.threads, precision: options.precision, tuning: tuningRequest(io, options.tune, options.json === true || options.quiet === true) });
  try {
    note(`timing ${net.name} on ${session.backend} (${session.device}) …`);
    for (const [id, values] of initialValues(persistent(model), settings.seed)) await session.write(id, values);
    const program = programOf(model, TRAIN);
    const feeds = randomFeeds(program, settings.seed);
    const { times, steps } = await timeSteps((await ownSteps(session, model, TRAIN)) ?? fedSteps(session, TRAIN, program, feeds), options.steps);
    const memory = { ...memoryOf(program), process: process.resourceUsage().maxRSS * 1024 };
    const where: Where = { backend: session.backend, threads: options.threads, precision: options.precision, tuning: tuningRequest(io, options.tune, true) };
    note('timing matrix products …');
    const peak = await measurePeak(where);
    const flopsPerSecond = (1000 * work.step) / times.median;
    const result: Result = {
      event: 'bench', net: net.name, backend: session.backend, device: session.device, precision: options.precision, batch, readings: batch * Math.max(...program.views.map(({ parts }) => parts.length)), width: net.width,
      weights: program.buffers.reduce((sum, { role, shape }) => sum + (role.kind === 'weight' ? elements(shape) : 0), 0),
      steps, ms: times,
      imagesPerSecond: (1000 * batch) / times.median,
      flops: { ...work, perSecond: flopsPerSecond },
      peak, share: peak && flopsPerSecond / peak.flopsPerSecond,
      memory,
    };
    const graph = graphs[TRAIN];
    const wantsProfile = options.profile === true || options.trace !== undefined;
    if (!wantsProfile || !graph) return show(result);
    if (!session.profiler) {
      say(io, `the ${session.backend} backend cannot tell the kernels of a step apart here; --backend webgpu can on a GPU with timestamps (zz doctor), --backend wasm on any machine`);
      return show(result);
    }
    note('timing kernels …');
    const bandwidth = await measureBandwidth(where);
    const { profile, runs, inOrder } = await profileOf(session.profiler, { name: TRAIN, program, graph, feeds, step: times.median, peak, bandwidth });
    show({ ...result, profile });
    if (options.trace !== undefined) {
      const path = at(io, options.trace);
      const data = { net: net.name, backend: session.backend, device: session.device, batch: String(batch), clock: profile.clock };
      await makeFolder(dirname(path));
      await writeWhole(path, `${JSON.stringify(traceOf(runs, inOrder, { title: `${net.name}, ${batch} images a step, on ${session.device}`, data }))}\n`);
      note(`trace: ${options.trace} opens in ui.perfetto.dev and chrome://tracing`);
    }
  } finally {
    await session.dispose();
  }

  function show(result: Result): void {
    const width = lineWidth(io.stdout);
    if (options.json === true) printJson(io, result);
    else print(io, describe(result, width) + (result.profile ? `\n\n${describeProfile(result.profile, width)}` : ''));
  }
}

/** The operations of a step: of the simplified graph, whatever a backend makes of it. */
function workOf(net: LoadedNet, settings: LoadedNet['settings'], batch: number): { readonly step: number; readonly contractions: number } {
  const { graph, diagnostics } = passErrorsAs(net.program, () => compileNet(net.program, net.name, { mode: 'train', width: net.width, settings }));
  if (!graph) throw new SourceError(diagnostics, programTexts(net.program));
  const { contractions, elementwise } = costOf(bindBatch(graph, batch)).total;
  return { step: contractions + elementwise, contractions };
}

/** Bytes: of weights and states, and of all buffers that the program names. A backend may keep several of them in the same place. */
function memoryOf({ buffers }: Program<unknown>): { readonly kept: number; readonly buffers: number } {
  const bytes = (chosen: Program<unknown>['buffers']): number => chosen.reduce((sum, { shape, dtype }) => sum + elements(shape) * (dtype === 'f16' ? 2 : 4), 0);
  return { kept: bytes(buffers.filter(({ role }) => role.kind === 'weight' || role.kind === 'state')), buffers: bytes(buffers) };
}
