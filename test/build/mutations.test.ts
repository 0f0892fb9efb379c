// Random changes to sound sources: whatever comes of them is answered with diagnostics, or with graphs that are well formed.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { buildNet, checkProgram } from '../../compiler/2-graph/build.ts';
import { verify } from '../../compiler/2-graph/verify.ts';
import { unroll } from '../../compiler/3-passes/unroll.ts';
import { hasErrors } from '../../compiler/diagnostics.ts';
import { uniforms } from '../../runtime/random.ts';
import { programOf, ROOT } from './helpers.ts';

const TOKEN = /(\s+|[A-Za-z_]\w*|\d[\d.e-]*|->|<-|\+=|\.\.|[^\s\w])/;
const NUMBERS = ['0', '1', '2', '3', '5', '0.5', '2.5', '16', '33', '1e9', '200'];

const read = (...path: string[]): string => readFileSync(join(ROOT, ...path), 'utf8');
const sources = [
  ...readdirSync(join(ROOT, 'dsl-examples')).filter((file) => file.endsWith('.zz')).map((file) => read('dsl-examples', file)),
  ...readdirSync(join(ROOT, 'test/samples')).map((name) => read('test/samples', name, 'input.zz')),
].map((text) => text.split(TOKEN).filter((part) => part !== ''));
const vocabulary = [...new Set(sources.flat().filter((part) => /^[^\s'"]+$/.test(part)))];

it('1,500 mutated sources', () => {
  const next = uniforms(2024);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)] as T;
  const seen = { broken: 0, sound: 0 };
  for (let run = 0; run < 1500; run++) {
    const parts = [...pick(sources)];
    const names = parts.filter((part) => /^[A-Za-z_]/.test(part));
    for (let change = 0; change <= next() * 2; change++) {
      const at = Math.floor(next() * parts.length);
      const part = parts[at] ?? '';
      if (/^[A-Za-z_]/.test(part)) parts[at] = next() < 0.7 ? pick(names) : pick(vocabulary);
      else if (/^\d/.test(part)) parts[at] = pick(NUMBERS);
      else if (part.trim() !== '' && next() < 0.2) parts.splice(at, 1);
    }
    const source = parts.join('');
    const program = programOf(source);
    const diagnostics = checkProgram(program);
    for (const { message, loc } of diagnostics) {
      expect(`${message} ${loc.line} ${loc.column}`, source).not.toMatch(/undefined|NaN|\[object|''|Infinity/);
      expect(loc.span.end <= source.length && loc.span.start <= loc.span.end, source).toBe(true);
    }
    if (hasErrors(diagnostics)) {
      seen.broken++;
      continue;
    }
    seen.sound++;
    for (const net of program.main?.ast.nets ?? []) {
      for (const mode of ['train', 'evaluate'] as const) {
        const { graph } = buildNet(program, net.name.name, { mode });
        if (!graph) throw new Error(`checked, but not built to ${mode}:\n${source}`);
        verify(graph);
        if (graph.nodes.length < 2000) verify(unroll.run(graph));
      }
    }
  }
  // Both ends of the test are reached.
  expect(Math.min(seen.broken, seen.sound)).toBeGreaterThan(50);
});
