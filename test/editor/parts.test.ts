// Trees that are put together from parts: the same as those that are read from the whole, whatever was read before; and a net that an edit leaves alone is not read again.

import { describe, expect, it, test } from 'vitest';
import { parse } from '../../compiler/1-syntax/parse.ts';
import { uniforms } from '../../runtime/random.ts';
import { parseInParts } from '../../editor/service/parts.ts';
import type { Parts } from '../../editor/service/parts.ts';
import { sources } from '../fuzz/mutate.ts';
import { BROKEN, SOUND, textOf } from './helpers.ts';

const net = (name: string): string => `net ${name} {\n  // of ${name}\n  input image: [8, 8, 3]\n  output y = image -> conv(4)\n}\n`;
const [ONE, TWO, THREE] = [net('One'), net('Two'), net('Three')];

const both = (text: string, before?: Parts): Parts => {
  const source = { file: 'f.zz', text };
  const { result, parts } = parseInParts(source, before);
  const { file, tokens, diagnostics } = parse(source);
  expect({ file: result.file, tokens: result.tokens, diagnostics: result.diagnostics }).toEqual({ file, tokens, diagnostics });
  return parts;
};

describe('what is read again', () => {
  const before = both(`// Three.\n${ONE}${TWO}${THREE}`);
  const kept = (after: Parts): string[] => [...after.values()].filter(({ alone }) => [...before.values()].some((each) => each.alone === alone)).flatMap(({ alone }) => alone.file.nets.map(({ name }) => name.name));
  const placed = (after: Parts): string[] => [...after].filter(([text, part]) => before.get(text) === part).flatMap(([, { alone }]) => alone.file.nets.map(({ name }) => name.name));

  it('the net of an edit alone; those above stay as they are, those below are moved', () => {
    const after = both(`// Three.\n${ONE}\n${TWO.replace('4', '5')}${THREE}`, before);
    expect(kept(after)).toEqual(['Three']);
    expect(placed(both(`// Three.\n${ONE}${TWO.replace('4', '5\n')}${THREE}`, before))).toEqual(['One']);
  });

  it('nothing of nets in another order', () => {
    expect(kept(both(`// Three.\n${ONE}${THREE}${TWO}`, before))).toEqual(['One', 'Three', 'Two']);
  });

  it('all with a syntax error, and nothing of the others when it has gone', () => {
    const broken = both(`// Three.\n${ONE}${TWO.replace('}', '')}${THREE}`, before);
    expect(kept(both(`// Three.\n${ONE}${TWO.replace('4', '5')}${THREE}`, broken))).toEqual(['One', 'Three']);
  });
});

test('what is kept does not grow, whatever is written', () => {
  let parts = both(ONE + TWO);
  for (let i = 0; i < 20; i++) {
    parts = both(`${ONE.replace('4', String(i))}${i % 3 === 0 ? TWO : TWO.replace('}', '')}`, parts);
    expect(parts.size).toBe(2);
  }
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
  const parts = both(text, both(ONE + TWO + THREE));
  both(text, parts);
  both(`\n${text}`, parts);
});

test('six thousand texts, each after the one before', { timeout: 300_000 }, () => {
  const random = uniforms(3, 1);
  let [parts, sound]: [Parts | undefined, number] = [undefined, 0];
  for (const text of sources(2000, 43, [...SOUND, ...BROKEN].map(textOf))) {
    for (const shown of [`${ONE}${text}\n${TWO}`, `import "a.zz"\n\n${ONE}${text}\n${TWO}`, `${ONE}${random() < 0.5 ? '\n' : ''}${THREE}${text}${TWO}`]) {
      parts = both(shown, parts);
      if (parse({ file: 'f.zz', text: shown }).diagnostics.length === 0) sound++;
    }
  }
  expect(sound).toBeGreaterThan(100);
});
