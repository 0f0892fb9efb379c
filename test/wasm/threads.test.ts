// The end of the threads: with the session, with the process however it ends, and with each other when one of them fails.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { existsSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createCode, define, finish } from '../../compiler/5-emit/wasm/code.ts';
import type { Model, WasmStep } from '../../compiler/5-emit/model.ts';
import { BackendError } from '../../runtime/backend.ts';
import { wasmBackend } from '../../runtime/backends/wasm.ts';
import { build, start, type Built } from '../cli/built.ts';
import { graphOf, op } from './harness.ts';

let built: Built;
let cwd: string;
beforeAll(async () => {
  built = build();
  cwd = await mkdtemp(join(tmpdir(), 'zz-threads-'));
}, 120_000);
afterAll(async () => {
  built.remove();
  await rm(cwd, { recursive: true });
});

/** A program that opens a session on two threads; `run()` has them compute for a while. */
const script = (body: string): string => `
  import { createBuilder } from './compiler/2-graph/builder.js';
  import { emitWasm } from './compiler/5-emit/wasm/emit.js';
  import { wasmBackend } from './runtime/backends/wasm.js';
  const builder = createBuilder();
  const inputs = ['a', 'b'].map((id) => builder.add('input', [], { name: id, shape: [2048, 2048] }, { id }));
  const value = builder.add('matmul', inputs, { transpose_a: false, transpose_b: false });
  const graph = { ...${JSON.stringify(graphOf([]).graph)}, nodes: builder.nodes(), outputs: [{ name: 'y', value }] };
  const session = await wasmBackend({ threads: 2 }).open({ net: 'Product', train: graph.train, programs: { run: emitWasm(graph, { relaxed: false }, 1) } });
  const feeds = new Map(inputs.map((id) => [id, new Float32Array(2048 * 2048)]));
  const run = () => session.run('run', feeds, []);
  console.log('open');
  ${body}
`;

async function runScript(name: string, body: string, onOutput?: Parameters<typeof start>[3]): ReturnType<typeof start> {
  const file = join(dirname(dirname(built.main)), `${name}.js`);
  await writeFile(file, script(body));
  return start(file, [], cwd, onOutput);
}

describe('the threads end with the process', () => {
  test('that comes to its end', async () => {
    expect(await runScript('idle', 'await run();')).toMatchObject({ code: 0, signal: null });
  });

  test('that fails while they compute', async () => {
    const ended = await runScript('error', "run(); setTimeout(() => { throw new Error('enough'); }, 20);");
    expect(ended).toMatchObject({ code: 1, signal: null });
    expect(ended.stderr).toContain('enough');
  });

  test('that exits while they compute', async () => {
    expect(await runScript('exit', 'run(); setTimeout(() => process.exit(7), 20);')).toMatchObject({ code: 7, signal: null });
  });

  test('that is interrupted', async () => {
    const ended = await runScript('interrupted', "run(); console.log('runs'); setInterval(() => undefined, 1000);", (stdout, child) => { if (stdout.includes('runs')) child.kill('SIGINT'); });
    expect(ended).toMatchObject({ code: null, signal: 'SIGINT' });
  });

  test('of a training that is interrupted, which saves first', async () => {
    const net = 'net Small { input image: [32, 32, 3]  logits = image -> conv(16, k: 3) -> relu -> globalavgpool -> dense(10)  output logits  loss softmax_cross_entropy(logits) }';
    await writeFile(join(cwd, 'small.zz'), net);
    let sent = false;
    const ended = await start(built.main, ['train', 'small.zz', '--data', 'synthetic', '--backend', 'wasm', '--threads', '2', '--limit', '200', '--epochs', '1000', '--json'], cwd, (stdout, child) => {
      if (!sent && stdout.includes('"event":"epoch"')) sent = child.kill('SIGINT');
    });
    expect(ended).toMatchObject({ code: 130, signal: null });
    expect(ended.stderr).toContain('zz train --resume');
  });
});

const TASKS = '/proc/self/task';
const threadCount = (): number => readdirSync(TASKS).length;

/** A program in which the second thread fails and the others wait for ever. */
function trap(): Model<WasmStep> {
  const code = createCode({ relaxed: false });
  const { m, c } = code;
  define(code, 'run', 4, (_, [thread]) => [
    m.if(m.i32.eq(thread?.get() ?? c(0), c(1)), m.unreachable()),
    m.drop(m.memory.atomic.wait32(c(64), c(0), m.i64.const(-1n))),
  ]);
  m.addFunctionExport('run', 'run');
  const { graph } = graphOf([op('neg', {}, [1])]);
  return { net: 'Trap', train: graph.train, programs: { run: { batch: 1, buffers: [], steps: [{ kernel: 'trap', reads: [], writes: '', scratch: 0 }], outputs: [], updates: [], views: [], code: finish(code) } } };
}

test.skipIf(!existsSync(TASKS))('all threads end where one fails, and the session says so', async () => {
  const before = threadCount();
  const session = await wasmBackend({ threads: 3 }).open(trap());
  expect(threadCount()).toBeGreaterThanOrEqual(before + 3);
  await expect(session.run('run', new Map(), [])).rejects.toThrow(BackendError);
  await expect(session.run('run', new Map(), [])).rejects.toThrow('the session has failed before');
  await session.dispose();
  await expect.poll(threadCount).toBeLessThan(before + 3);
});
