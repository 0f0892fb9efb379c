// Times of products in several tilings on the device: each is a program of its own.

import type { Variant } from '../../compiler/5-emit/wgsl/emit.ts';
import type { BufferSpec, Model, Program, WebGpuStep } from '../../compiler/5-emit/model.ts';
import type { Backend, Session } from '../../runtime/backend.ts';

/** Runs of a product, after one that warms up. */
const RUNS = 4;
/** Milliseconds of runs before the first that counts: a GPU that has slept raises its clock rate by and by. */
const WARM_UP = 100;
/** Milliseconds of runs that the host's clock is read around, where the device has none. */
const SPAN = 20;
const NO_FEEDS = new Map<string, Float32Array>();

/** A number that no shader touches: to read it is to wait for all that came before. */
const MARK: BufferSpec = { id: 'tuning.mark', dtype: 'f32', shape: [1], role: { kind: 'state', value: 0 } };

/** Microseconds of each variant, the fastest of a few runs. What is multiplied is whatever lies in the device's memory. Calls `done` after each. Throws BackendError. */
export async function measure(variants: readonly Variant[], backend: Backend<WebGpuStep>, train: Model['train'], done: () => void): Promise<number[]> {
  const programs = Object.fromEntries(variants.map(({ steps, buffers }, i): [string, Program<WebGpuStep>] => [String(i), { batch: 1, buffers: [...buffers, MARK], steps, outputs: [], updates: [], views: [] }]));
  const session = await backend.open({ net: 'Tuning', train, programs });
  try {
    const times: number[] = [];
    const names = Object.keys(programs);
    const hasClock = await warmedUp(session, names[0] ?? '');
    for (const name of names) {
      times.push(await (hasClock ? byDevice(session, name) : byHost(session, name)));
      done();
    }
    return times;
  } finally {
    await session.dispose();
  }
}

/** Runs a program for a while; whether the device has a clock that runs. */
async function warmedUp(session: Session, name: string): Promise<boolean> {
  const began = performance.now();
  let time: number;
  do time = await (session.profiler?.clock === 'device' ? byDevice(session, name) : byHost(session, name));
  while (performance.now() - began < WARM_UP);
  return session.profiler?.clock === 'device' && Number.isFinite(time);
}

/** Of the runs on which the clock went forward; infinite where there are none: a driver's clock may stand still, or give zeros. */
async function byDevice(session: Session, name: string): Promise<number> {
  const runs = (await session.profiler?.run(name, NO_FEEDS, 1 + RUNS)) ?? [];
  const sound = runs.slice(1).filter(({ steps }) => steps.every(({ begin, end }) => end > begin));
  return Math.min(...sound.map(({ steps }) => steps.reduce((sum, { begin, end }) => sum + end - begin, 0)));
}

async function byHost(session: Session, name: string): Promise<number> {
  const span = async (runs: number): Promise<number> => {
    const began = performance.now();
    for (let i = 0; i < runs; i++) await session.run(name, NO_FEEDS, []);
    await session.read(MARK.id);
    return performance.now() - began;
  };
  await span(1);
  const runs = Math.max(RUNS, Math.min(200, Math.ceil(SPAN / Math.max(0.01, await span(1)))));
  return (1000 * (await span(runs))) / runs;
}
