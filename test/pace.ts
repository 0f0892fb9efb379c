// Limits in seconds that hold on slow machines too: they are multiplied by how much slower this one is than the one that they are meant for.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import ts from 'typescript';

/** What TypeScript's parser takes for the types of ES5 on a machine for which limits are meant, in milliseconds of processor time. */
const USUAL = 6;

/** What some work gives, and the milliseconds of processor time that it takes, on all threads: other work on the machine does not count. */
export function timed<T>(work: () => T): { readonly value: T; readonly ms: number } {
  const start = process.cpuUsage();
  const value = work();
  const { user, system } = process.cpuUsage(start);
  return { value, ms: (user + system) / 1000 };
}

let known: number | undefined;

/** How many times slower this machine is; 1 for faster ones. A parser at work is the yardstick, as most limits are for what compilers do. */
export function slowness(): number {
  if (known !== undefined) return known;
  const text = readFileSync(createRequire(import.meta.url).resolve('typescript/lib/lib.es5.d.ts'), 'utf8');
  const times = Array.from({ length: 12 }, () => timed(() => ts.createSourceFile('lib.d.ts', text, ts.ScriptTarget.ES2022)).ms);
  return (known = Math.max(1, Math.min(...times) / USUAL));
}
