// Python with PyTorch, for what the benchmarks compare with.

import { spawn, spawnSync } from 'node:child_process';
import { basename } from 'node:path';
import { createInterface } from 'node:readline';
import { isTimeUp } from './record.ts';

export interface Python {
  readonly command: string;
  readonly torch: string;
  /** The CUDA device's name, or null. */
  readonly cuda: string | null;
}

/** Seconds in which a Python says what it has: PyTorch may come over a network. */
const PATIENCE = 120;
const QUESTION = 'import json, torch; print(json.dumps({"torch": torch.__version__, "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None}))';

/** The first Python here that has PyTorch: $ZZ_PYTHON, python3 on the path, /usr/bin/python3. */
export function findPython(): Python | undefined {
  for (const command of [process.env['ZZ_PYTHON'], 'python3', '/usr/bin/python3']) {
    if (command === undefined) continue;
    const { status, stdout } = spawnSync(command, ['-c', QUESTION], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], timeout: 1000 * PATIENCE });
    const answer = stdout?.split('\n').find((line) => line.startsWith('{')); // libraries may print on their own account
    if (status === 0 && answer !== undefined) return { command, ...(JSON.parse(answer) as Omit<Python, 'command'>) };
  }
  return undefined;
}

export const NO_TORCH = 'no Python with PyTorch is found: set ZZ_PYTHON to one that has it';

/** Runs a program that prints a line of JSON for each result, and gives them as they come. Throws Error where it ends badly, or is ended because the time is up. */
export async function* jsonLines(command: string, args: readonly string[]): AsyncGenerator<unknown> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve));
  ended.catch(() => undefined); // met below
  const clock = setInterval(() => { if (isTimeUp()) child.kill(); }, 1000);
  try {
    for await (const line of createInterface(child.stdout)) if (line.startsWith('{')) yield JSON.parse(line);
  } finally {
    clearInterval(clock);
    if (child.exitCode === null) child.kill();
  }
  const status = await ended;
  if (status !== 0) throw new Error(`${[command, ...args].map((word) => basename(word)).join(' ')} ${isTimeUp() ? 'was ended: the time is up' : `ended with status ${status}`}`);
}
