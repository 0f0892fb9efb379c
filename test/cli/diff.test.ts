// The line diff: it rebuilds both texts, is shortest, agrees with `diff -u`, and stays fast on large inputs.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { diffLines, unifiedDiff } from '../../compiler/inspect/diff.ts';

const text = fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 12 }).map((list) => list.map((line) => `${line}\n`).join(''));
const side = (edits: ReturnType<typeof diffLines>, leave: string): string => edits.filter(([edit]) => edit !== leave).map(([, line]) => `${line}\n`).join('');

/** The length of the longest common subsequence, by the plain table. */
function common(a: string[], b: string[]): number {
  const rows = Array.from({ length: a.length + 1 }, () => new Array<number>(b.length + 1).fill(0));
  const at = (i: number, j: number): number => rows[i]?.[j] ?? 0;
  for (let i = 1; i <= a.length; i++) for (let j = 1; j <= b.length; j++) (rows[i] as number[])[j] = a[i - 1] === b[j - 1] ? at(i - 1, j - 1) + 1 : Math.max(at(i - 1, j), at(i, j - 1));
  return at(a.length, b.length);
}

test('both texts can be read off, and the edit is the shortest', () => {
  fc.assert(
    fc.property(text, text, (a, b) => {
      const edits = diffLines(a, b);
      expect([side(edits, '+'), side(edits, '-')]).toEqual([a, b]);
      expect(edits.filter(([edit]) => edit === ' ')).toHaveLength(common(a.split('\n').slice(0, -1), b.split('\n').slice(0, -1)));
    }),
    { seed: 678, numRuns: 500 },
  );
});

test('patch would take it: hunks name the right lines', () => {
  const old = Array.from({ length: 40 }, (_, i) => `line ${i}\n`);
  const young = old.toSpliced(5, 1, 'five\n', 'more\n').toSpliced(20, 2).toSpliced(39, 0, 'end\n');
  const dir = mkdtempSync(join(tmpdir(), 'zz-diff-'));
  try {
    writeFileSync(join(dir, 'a'), old.join(''));
    writeFileSync(join(dir, 'b'), young.join(''));
    const theirs = spawnSync('diff', ['-u', '--label', 'a', '--label', 'b', 'a', 'b'], { cwd: dir, encoding: 'utf8' });
    expect(unifiedDiff({ name: 'a', text: old.join('') }, { name: 'b', text: young.join('') })).toBe(theirs.stdout);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test('equal texts differ in nothing; from and to nothing', () => {
  expect(unifiedDiff({ name: 'a', text: 'x\ny\n' }, { name: 'b', text: 'x\ny\n' })).toBe('');
  expect(unifiedDiff({ name: 'a', text: '' }, { name: 'b', text: 'x\ny\n' })).toBe('--- a\n+++ b\n@@ -0,0 +1,2 @@\n+x\n+y\n');
  expect(unifiedDiff({ name: 'a', text: 'x\n' }, { name: 'b', text: '' })).toBe('--- a\n+++ b\n@@ -1 +0,0 @@\n-x\n');
});

test('the time for lines without one in common grows with their number, not with its square', () => {
  const seconds = (count: number): number => {
    const [old, young] = ['a', 'b'].map((prefix) => Array.from({ length: count }, (_, i) => `${prefix}${i}\n`).join('')) as [string, string];
    return Math.min(...[0, 1, 2].map(() => {
      const began = performance.now();
      expect(diffLines(old, young)).toHaveLength(2 * count);
      return performance.now() - began;
    }));
  };
  expect(seconds(100_000) / seconds(5_000)).toBeLessThan(100);
});
