// What the playground's address holds comes back, and nothing that it might hold breaks the page.

import { expect, test } from 'vitest';
import { fromHash, toHash } from '../../playground/address.ts';
import { readerOf } from '../../playground/compiler/source.ts';

test.each([
  ['text', { file: 'net.zz', text: 'net A {\n  // Zürich → 東京 👍\n}\n' }],
  ['nothing', {}],
  ['much', { text: 'x = conv(3)\n'.repeat(20_000) }],
])('%s comes back from an address', async (_, value) => {
  const hash = await toHash(value);
  expect(hash).toMatch(/^#zz=[\w-]+$/);
  expect(await fromHash(hash ?? '')).toEqual(value);
});

test('a text that no address holds has none', async () => {
  let state = 1;
  const noise = Array.from({ length: 1_000_000 }, () => String.fromCharCode(32 + ((state = (state * 48271) % 2147483647) % 90))).join('');
  expect(await toHash(noise)).toBeUndefined();
});

test('other hashes are none of ours, and damaged ones throw', async () => {
  expect(await fromHash('')).toBeUndefined();
  expect(await fromHash('#top')).toBeUndefined();
  const hash = (await toHash({ text: 'net A {}' })) ?? '';
  for (const damaged of ['#zz=', '#zz=%%%', hash.slice(0, -4), hash.replace(/.{6}$/, 'AAAAAA')]) await expect(fromHash(damaged), damaged).rejects.toThrow();
});

test('imports lead out of folders and into others', () => {
  const reader = readerOf({ file: 'a.zz', text: '', beside: { 'parts/b.zz': 'b', '../c.zz': 'c', 'd.zz': 'd' } });
  const read = (from: string, path: string): unknown => reader.read(reader.resolve(from, path));
  expect(read('a.zz', 'parts/b.zz')).toEqual({ file: 'parts/b.zz', text: 'b' });
  expect(read('a.zz', './parts/../d.zz')).toEqual({ file: 'd.zz', text: 'd' });
  expect(read('parts/b.zz', '../d.zz')).toEqual({ file: 'd.zz', text: 'd' });
  expect(read('parts/b.zz', '../../c.zz')).toEqual({ file: '../c.zz', text: 'c' });
  expect(read('../c.zz', 'e.zz')).toMatchObject({ code: 'ZZ1008' });
});
