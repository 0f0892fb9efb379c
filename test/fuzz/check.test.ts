// `zz check` over 20,000 mutated and random files: always diagnostics or a clean bill, within 2 seconds of a usual machine's time each, and never a stack trace.

import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { checkNets } from '../../compiler/check.ts';
import { decodeSource } from '../../compiler/1-syntax/parse.ts';
import { loadProgram, memoryReader } from '../../compiler/2-graph/build.ts';
import { hasErrors, renderDiagnostic, type Diagnostic } from '../../compiler/diagnostics.ts';
import { slowness, timed } from '../pace.ts';
import { randomBytes, sources } from './mutate.ts';

const FILES = 20_000;
const RANDOM_BYTES = 500;

const examples = new URL('../../dsl-examples/', import.meta.url);
const corpus = readdirSync(examples, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.zz'))
  .map((name) => readFileSync(new URL(name, examples), 'utf8'));

/** What the command does with a file's bytes. */
function check(bytes: Uint8Array): { diagnostics: readonly Diagnostic[]; text: string } {
  const { source, diagnostics } = decodeSource('f.zz', bytes);
  if (!source) return { diagnostics, text: '' };
  return { diagnostics: [...diagnostics, ...checkNets(loadProgram('f.zz', memoryReader({ 'f.zz': source.text })))], text: source.text };
}

function* files(): Generator<Uint8Array> {
  for (const text of sources(FILES - RANDOM_BYTES, 19, corpus)) yield new TextEncoder().encode(text);
  for (let i = 0; i < RANDOM_BYTES; i++) yield randomBytes(20, i);
}

it(`answers ${FILES} files`, { timeout: 900_000 }, () => {
  const seen = { files: 0, broken: 0, sound: 0, slowest: 0 };
  const codes = new Set<string>();
  for (const bytes of files()) {
    const { value: { diagnostics, text }, ms } = timed(() => check(bytes));
    seen.slowest = Math.max(seen.slowest, ms);
    seen.files++;
    seen[hasErrors(diagnostics) ? 'broken' : 'sound']++;
    for (const each of diagnostics) {
      codes.add(each.code);
      expect(renderDiagnostic(each, () => text)).toMatch(/^f\.zz:\d+:\d+: (error|warning|note) ZZ\d{4}: /);
    }
  }
  expect(seen.files).toBe(FILES);
  expect(seen.slowest).toBeLessThan(2000 * slowness());
  // The files reach far into the compiler, and some pass.
  expect(seen.sound).toBeGreaterThan(50);
  expect(codes.size).toBeGreaterThan(40);
});
