// Trees that are put together from parts: the same as those that are read from the whole, whatever was read before; and a net that an edit leaves alone is not read again.

import { describe, expect, it, test } from 'vitest';
import { parse } from '../../compiler/1-syntax/parse.ts';
import { uniforms } from '../../runtime/random.ts';
import type { Item, Net } from '../../compiler/1-syntax/ast.ts';
import { reparse } from '../../editor/service/reparse.ts';
import type { Sound } from '../../editor/service/reparse.ts';
import { tokenList } from '../../editor/service/token-list.ts';
import { edited, sources } from '../fuzz/mutate.ts';
import { BROKEN, SOUND, textOf } from './helpers.ts';

const net = (name: string): string => `net ${name} {\n  // of ${name}\n  input image: [8, 8, 3]\n  output y = image -> conv(4)\n}\n`;
const [ONE, TWO, THREE] = [net('One'), net('Two'), net('Three')];

/** Reads a text after another, and holds what is read to what comes of the text alone. Gives the last sound text. */
function both(text: string, before?: Sound): Sound | undefined {
  const source = { file: 'f.zz', text };
  const reading = reparse(source, before);
  const { file, tokens, diagnostics } = parse(source);
  expect({ ...reading, tokens: reading.tokens() }).toEqual({ file, tokens: tokenList(tokens), diagnostics });
  return diagnostics.length === 0 ? { source, reading } : before;
}

describe('what is read again', () => {
  const NETS = `// Three.\n${ONE}${TWO}${THREE}`;
  const before = both(NETS);
  const nodesOf = (sound: Sound | undefined): (Net | Item)[] => sound?.reading.file.nets.flatMap((net) => [net, ...net.items]) ?? [];
  const textOf = ({ loc: { span } }: Net | Item, { source }: Sound): string => source.text.slice(span.start, span.end);
  /** The nets and statements that are the same objects still, by their texts. */
  const kept = (after: Sound | undefined): string[] => after ? nodesOf(after).filter((node) => nodesOf(before).includes(node)).map((node) => textOf(node, after)) : [];
  const [INPUT, OUTPUT] = ['input image: [8, 8, 3]', 'output y = image -> conv(4)'];

  it('statements next to an edit; what stands above stays', () => {
    const ten = both(`net A {\n${Array.from({ length: 10 }, (_, i) => `  x${i} = ${i}\n`).join('')}}\n`);
    const after = both(ten?.source.text.replace('x5 = 5', 'x5 = 5 + 1') ?? '', ten);
    const same = after?.reading.file.nets[0]?.items.map((item, i) => item === ten?.reading.file.nets[0]?.items[i]);
    // Those below are moved by four characters.
    expect(same).toEqual([true, true, true, true, true, false, false, false, false, false]);
    // With as many characters as before, all others stay.
    const other = both(ten?.source.text.replace('x5 = 5', 'x5 = 7') ?? '', ten);
    expect(other?.reading.file.nets[0]?.items.flatMap((item, i) => (item === ten?.reading.file.nets[0]?.items[i] ? [] : [i]))).toEqual([5]);
  });

  it('nothing above the edit, and nothing below that stays where it is', () => {
    expect(kept(both(NETS.replace(TWO, TWO.replace('4', '5')), before))).toEqual([ONE.trim(), INPUT, OUTPUT, INPUT, THREE.trim(), INPUT, OUTPUT]);
    expect(kept(both(NETS.replace(TWO, TWO.replace('4', '45')), before))).toEqual([ONE.trim(), INPUT, OUTPUT, INPUT]);
    expect(kept(both(NETS.replace(THREE, `\n// Four.\nnet Four {\n}\n\n${THREE}`), before))).toEqual([ONE.trim(), INPUT, OUTPUT, TWO.trim(), INPUT, OUTPUT]);
  });

  it('nothing, after an error that has gone', () => {
    const broken = both(NETS.replace('}', ''), before);
    expect(broken).toBe(before);
    expect(kept(both(NETS.replace(TWO, `${TWO}\n`), broken))).toEqual([ONE.trim(), INPUT, OUTPUT, TWO.trim(), INPUT, OUTPUT]);
  });
});

test.each([
  ['an import below a net', `${ONE}import "a.zz"\n${TWO}`],
  ['a net in a net', `${ONE.replace('}', '')}${TWO}}\n`],
  ['a net twice', ONE + TWO + ONE],
  ['the word in a net', `net A {\n  x = 1\nnet\n}\n${ONE}`],
  ['names and keys of that word', `${ONE}net_of = 3\nnet{`],
  ['lines that end in other ways', `${ONE}${TWO}`.replaceAll('\n', '\r\n') + ONE],
  ['other line ends in a comment', `// a\u2028net B {\n${ONE}// b\rnet C {\n// c\u0085net D {}\n${TWO}\u2028${THREE}\r${ONE}`],
  ['old line ends', `${ONE.replaceAll('\n', '\r')}\n${TWO}${THREE}`],
  ['a string and a comment without an end', `import "a\n${ONE}// ${TWO}#\n${THREE}`],
  ['nothing', ''],
  ['comments alone', '// a\n// b\n'],
])('%s', (_, text) => {
  const before = both(text, both(ONE + TWO + THREE));
  both(text, before);
  both(`\n${text}`, before);
});

test('two thousand texts, each after the one before', { timeout: 300_000 }, () => {
  const random = uniforms(3, 1);
  let [before, sound]: [Sound | undefined, number] = [undefined, 0];
  for (const text of sources(700, 43, [...SOUND, ...BROKEN].map(textOf))) {
    for (const shown of [`${ONE}${text}\n${TWO}`, `import "a.zz"\n\n${ONE}${text}\n${TWO}`, `${ONE}${random() < 0.5 ? '\n' : ''}${THREE}${text}${TWO}`]) {
      before = both(shown, before);
      if (parse({ file: 'f.zz', text: shown }).diagnostics.length === 0) sound++;
    }
  }
  expect(sound).toBeGreaterThan(50);
});

test('two thousand small edits, each of the text before', { timeout: 300_000 }, () => {
  const random = uniforms(7, 2);
  const texts = SOUND.map(textOf).filter((text) => !text.includes('import '));
  let spliced = 0;
  for (let walk = 0; walk < 20; walk++) {
    const [one = '', two = ''] = [texts[walk % texts.length], texts[Math.floor(random() * texts.length)]];
    let text = `${one}\n${two.replaceAll('\n', walk % 5 === 0 ? '\r\n' : '\n')}`;
    let before = both(text);
    for (let i = 0; i < 100; i++) {
      text = edited(text, 47, walk, i);
      const after = both(text, before);
      const above = before?.reading.file.nets[0]?.items[0];
      if (after !== before && after?.reading.file.nets[0]?.items[0] === above) spliced++;
      // Most edits break the text: some of these are edited further, the rest are taken back.
      if (after === before && random() < 0.7) text = before?.source.text ?? text;
      before = after;
    }
  }
  expect(spliced).toBeGreaterThan(300);
});
