// What the server asks itself before the first question.

import { describe, expect, it } from 'vitest';
import { memoryReader } from '../../compiler/2-graph/build.ts';
import { analyze } from '../../editor/service/index.ts';
import { warmUp, WARM_UP_TEXT } from '../../editor/server/warmup.ts';

describe('the warm-up', () => {
  it('is of a sound text with something to fix', () => {
    const { ast, diagnostics } = analyze('text.zz', memoryReader({ 'text.zz': WARM_UP_TEXT }));
    expect(diagnostics.map(({ code }) => code)).toEqual(['ZZ2104', 'ZZ4101']);
    const kinds = new Set(ast.nets.flatMap(({ items }) => items.map(({ kind }) => kind)));
    expect([...kinds].sort()).toEqual(['backward', 'cell', 'input', 'layer', 'let', 'loss', 'output', 'streams', 'train', 'twin', 'view']);
  });

  it('answers every request', async () => {
    await expect(warmUp(() => Promise.resolve(true))).resolves.toBeUndefined();
  });

  it('ends when it is not wanted any longer', async () => {
    let asked = 0;
    await warmUp(() => Promise.resolve(++asked < 3));
    expect(asked).toBe(3);
  });
});
