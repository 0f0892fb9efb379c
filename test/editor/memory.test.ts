// What is kept of the texts before: an editor sends one for every key.

import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { memoryReader } from '../../compiler/2-graph/build.ts';
import { analyze, completionsAt, folds, formatEdit, hintsIn, hoverAt, outline, renameAt, semanticTokens } from '../../editor/service/index.ts';
import type { Analysis } from '../../editor/service/index.ts';
import { SOUND, textOf } from './helpers.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const TEXT = SOUND.map(textOf).find((text) => text.includes('streams ')) ?? '';

/** Asks for everything that an analysis has. */
function ask(analysis: Analysis): void {
  const { text } = analysis.source;
  const offset = text.indexOf(' image ->') + 2;
  const whole = { start: 0, end: text.length };
  void [analysis.diagnostics, semanticTokens(analysis), folds(analysis), formatEdit(analysis), hintsIn(analysis, whole), outline(analysis), hoverAt(analysis, offset)];
  void [completionsAt(analysis, offset, () => []), renameAt(analysis, offset, 'picture', [], memoryReader({ 'f.zz': text }))];
}

test.each([
  ['statements that come and go', (i: number) => TEXT.replace('\n  output ', `\n  extra${i} = image\n  output `)],
  ['nets that are moved', (i: number) => `${'\n'.repeat(i)}${TEXT}`],
  ['syntax errors that come and go', (i: number) => (i % 3 === 0 ? TEXT : TEXT.replace('\n  output ', `\n  extra${i} = = image\n  output `))],
])('no analysis before the last: %s', async (_, textAt) => {
  const seen: WeakRef<Analysis>[] = [];
  let before: Analysis | undefined;
  for (let i = 0; i < 30; i++) {
    before = analyze('f.zz', memoryReader({ 'f.zz': textAt(i) }), before);
    ask(before);
    seen.push(new WeakRef(before));
    // What a reference gave is held until the end of its turn.
    await setImmediate();
  }
  collect();
  await setImmediate();
  collect();
  const kept = seen.filter((each) => each.deref() !== undefined);
  expect(kept.length).toBe(1);
  expect(kept[0]?.deref()).toBe(before);
});
