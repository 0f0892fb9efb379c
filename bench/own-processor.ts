// A step of an example net on one of this project's backends, measured in turn (bench/turns.ts).
// --net case-d --task train|predict --readings 50 --backend wasm|gpujs-webasm|gpujs-cpu [--threads 1] [--width 1]

import { parseArgs } from 'node:util';
import { randomFeeds } from '../cli/bench/open.ts';
import { compileModel } from '../compiler/compile.ts';
import type { Emitter } from '../compiler/compile.ts';
import { gpujsEmitter, wasmEmitter } from '../compiler/emitters.ts';
import type { Backend } from '../runtime/backend.ts';
import { gpujsBackend } from '../runtime/backends/gpujs.ts';
import { hasRelaxedSimd, wasmBackend } from '../runtime/backends/wasm.ts';
import { persistent } from '../runtime/checkpoint.ts';
import { initialValues } from '../runtime/init.ts';
import { imagesFor, sourceOf } from './examples.ts';
import { takeTurns } from './turns.ts';

const { values: options } = parseArgs({
  options: { net: { type: 'string', default: 'case-d' }, task: { type: 'string', default: 'train' }, readings: { type: 'string', default: '50' }, backend: { type: 'string', default: 'wasm' }, threads: { type: 'string' }, width: { type: 'string', default: '1' } },
});

async function targetOf(name: string): Promise<{ emitter: Emitter<unknown>; backend: Backend<unknown> }> {
  switch (name) {
    case 'wasm':
      return { emitter: await wasmEmitter(hasRelaxedSimd()), backend: wasmBackend(options.threads === undefined ? {} : { threads: Number(options.threads) }) as Backend<unknown> };
    case 'gpujs-webasm':
    case 'gpujs-cpu':
      return { emitter: await gpujsEmitter(), backend: gpujsBackend({ mode: name === 'gpujs-cpu' ? 'cpu' : 'webasm' }) as Backend<unknown> };
    default:
      throw new RangeError(`no backend ${name} here`);
  }
}

const mode = options.task === 'predict' ? 'evaluate' : 'train';
const readings = Number(options.readings);
const batch = mode === 'train' ? imagesFor(options.net, readings) : readings;
const { emitter, backend } = await targetOf(options.backend);
const compiled = compileModel(sourceOf(options.net), undefined, { run: { mode, batch } }, emitter, { width: Number(options.width) });
if ('diagnostics' in compiled) throw new Error(`${options.net}.zz has errors`);
const { model } = compiled;
const session = await backend.open(model);
for (const [id, values] of initialValues(persistent(model), 1)) await session.write(id, values);
const program = model.programs['run'];
if (!program) throw new RangeError('the model has no program');
const feeds = randomFeeds(program, 1);
const wanted = mode === 'train' ? (program.loss === undefined ? [] : [program.loss]) : (program.logits === undefined ? [] : [program.logits]);
const weights = persistent(model).filter(({ role }) => role.kind === 'weight').reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
await takeTurns({ weights, device: session.device }, () => session.run('run', feeds, wanted));
await session.dispose();
