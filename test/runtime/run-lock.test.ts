// Of processes that claim one run at the same moment, one gets it.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { build, type Built } from '../cli/built.ts';

let built: Built;
let dir: string;
beforeAll(async () => {
  built = build();
  dir = await mkdtemp(join(tmpdir(), 'zz-lock-'));
});
afterAll(async () => {
  built.remove();
  await rm(dir, { recursive: true });
});

const PROCESSES = 6;
/** Claims at a word, tells how that ended, and lets go when its input ends. */
const CLAIM = `
  const { claimRun } = await import(process.argv[1]);
  process.stdout.write('ready ');
  await new Promise((go) => process.stdin.once('data', go));
  const release = await claimRun(process.argv[2]).catch(({ message }) => message);
  process.stdout.write(typeof release === 'string' ? release : 'got it');
  await new Promise((ended) => process.stdin.once('end', ended));
  if (typeof release !== 'string') await release();
`;

function start() {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', CLAIM, join(built.folder, 'runtime/run-lock.js'), dir], { stdio: ['pipe', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => { said += chunk.toString(); });
  const told = async (text: RegExp): Promise<string> => {
    while (!text.test(said)) await once(child.stdout, 'data');
    return said;
  };
  return { child, told };
}

/** The number of a process that is gone. */
async function gone(): Promise<number> {
  const child = spawn(process.execPath, ['--version'], { stdio: 'ignore' });
  await once(child, 'exit');
  return child.pid ?? NaN;
}

describe('a run that several processes claim', () => {
  it.each([
    ['that nobody has', () => undefined],
    ['of a process that is gone', async () => JSON.stringify({ process: await gone(), host: hostname() })],
    ['with a claim that a crash cut short', () => ''],
  ])('%s goes to one', async (_, before) => {
    const claim = await before();
    if (claim !== undefined) await writeFile(join(dir, '.training'), claim);
    const all = Array.from({ length: PROCESSES }, start);
    await Promise.all(all.map(({ told }) => told(/^ready /)));
    for (const { child } of all) child.stdin.write('go');
    const answers = await Promise.all(all.map(({ told }) => told(/got it|the run in/)));
    const winner = answers.findIndex((answer) => answer.includes('got it'));
    const refusals = answers.filter((answer) => answer.includes(`process ${all[winner]?.child.pid ?? ''} is training the run in ${dir}`));
    expect(refusals).toHaveLength(PROCESSES - 1);
    for (const { child } of all) child.stdin.end();
    await Promise.all(all.map(({ child }) => once(child, 'exit')));
    expect(await readdir(dir)).toEqual([]);
  });
});
