// The confusion matrix fits the terminal, and no two of its columns read the same.

import { describe, expect, test } from 'vitest';
import { showConfusion } from '../../cli/confusion.ts';
import { hash } from '../../runtime/random.ts';

const CIFAR = ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'];
const TEXTURES = ['fine stripes', 'fine checks', 'fine dots', 'fine rings', 'fine waves', 'coarse stripes', 'coarse checks', 'coarse dots', 'coarse rings', 'coarse waves'];
const matrix = (n: number, most: number): number[][] => Array.from({ length: n }, (_, i) => Array.from({ length: n }, (_, j) => hash(i, j) % most));
const widest = (text: string): number => Math.max(...text.split('\n').map((line) => line.length));
const heads = (text: string): string[] => (text.split('\n').find((line) => line.startsWith('class')) ?? '').split(/\s+/).slice(1, -1);

describe.each([['CIFAR-10', CIFAR], ['textures', TEXTURES]])('%s', (_, classes) => {
  test.each([50, 60, 80, 100, 140, 200])('in %i columns', (width) => {
    const confusion = matrix(10, 1000);
    const text = showConfusion(confusion, classes, width);
    expect(widest(text)).toBeLessThanOrEqual(width);
    for (const name of classes) expect(text).toContain(name);
    if (heads(text).length > 1) for (const [i, row] of confusion.entries()) expect(text.split('\n')[i + 2]?.match(/\d+(?= )/g)?.slice(-11, -1).map(Number) ?? []).toEqual(expect.arrayContaining(row.slice(1, -1)));
  });
});

test('names where they fit, cut no shorter than they stay distinct; then numbers with the names beside the rows; then a list', () => {
  const confusion = matrix(10, 1000);
  expect(heads(showConfusion(confusion, CIFAR, 120))).toEqual(CIFAR);
  expect(heads(showConfusion(confusion, CIFAR, 72))).toEqual(CIFAR.map((name) => name.slice(0, 3)));
  const numbered = showConfusion(confusion, CIFAR, 65);
  expect(heads(numbered)).toEqual(CIFAR.map((_, i) => String(i)));
  expect(numbered).toMatch(/^1 automobile /m);
  expect(heads(showConfusion(confusion, TEXTURES, 100))).toEqual(CIFAR.map((_, i) => String(i)));
  expect(showConfusion(confusion, CIFAR, 40)).toContain('the most frequent confusions');
});

test('the list names the largest confusions first', () => {
  const confusion = [[5, 3, 0], [9, 1, 0], [0, 0, 4]];
  const text = showConfusion(confusion, ['a class of a long name', 'another of a long name', 'and one more of a long name'], 20);
  expect(text).toContain('a class of a long name        62.5 %');
  expect(text.split('\n').slice(-2)).toEqual(['     9  another of a long name taken for a class of a long name', '     3  a class of a long name taken for another of a long name']);
});

test('a split without mistakes, and a hundred classes', () => {
  expect(showConfusion([[2, 0], [0, 3]], ['x', 'y'], 100)).toBe('rows: the true class, columns: the predicted one\nclass  x  y    right\nx      2  0  100.0 %\ny      0  3  100.0 %');
  const many = showConfusion(matrix(100, 50), Array.from({ length: 100 }, (_, i) => `class ${i}`), 100);
  expect(widest(many)).toBeLessThanOrEqual(100);
  expect(many).toContain('taken for');
});
