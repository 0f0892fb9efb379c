// Index arithmetic: simplifications written out, and random expressions against plain integer arithmetic.

import { describe, expect, test } from 'vitest';
import { bounds, int, minus, plus, quotient, remainder, replace, showIndex, strideOf, times, use, within } from '../../compiler/4-kernels/indexing.ts';
import type { Index, Var } from '../../compiler/4-kernels/indexing.ts';
import { draws } from './cases.ts';
import { indexOf } from './interpret.ts';

const I: Var = { name: 'i', extent: 6 };
const J: Var = { name: 'j', extent: 4 };
const [i, j] = [use(I), use(J)];

describe('simplification', () => {
  const flat = plus(times(i, 4), j);
  const cell = use({ name: 'cell', extent: 6 * 5 * 4 });

  test.each([
    ['adds up equal terms', plus(i, j, i, int(3), int(-1)), '2*i + j + 2'],
    ['drops terms that cancel', minus(flat, times(i, 4)), 'j'],
    ['divides what divides', quotient(flat, 4), 'i'],
    ['takes the remainder of what divides', remainder(flat, 4), 'j'],
    ['keeps what does not', quotient(flat, 3), '(4*i + j div 3)'],
    ['takes whole parts out of a division', quotient(plus(times(i, 8), j, int(9)), 4), '2*i + (j + 1 div 4) + 2'],
    ['takes whole parts out of a remainder', remainder(plus(times(i, 8), j, int(9)), 4), '(j + 1 mod 4)'],
    ['divides downwards', quotient(int(-1), 4), '-1'],
    ['drops from a division what is finer than all else', quotient(plus(times(cell, 4), j), 12), '(cell div 3)'],
    ['takes it out of a remainder', remainder(plus(times(cell, 4), j), 12), '4*(cell mod 3) + j'],
    ['offsets included', quotient(plus(times(cell, 6), j, int(7)), 12), '(cell + 1 div 2)'],
    ['and puts it together again', plus(times(quotient(plus(times(cell, 4), j), 12), 12), remainder(plus(times(cell, 4), j), 12)), '4*cell + j'],
    ['leaves small offsets be', quotient(plus(remainder(i, 2), int(1)), 4), '0'],
    ['merges nested divisions', quotient(quotient(cell, 4), 5), '(cell div 20)'],
    ['puts a place together again', plus(times(quotient(cell, 4), 4), remainder(cell, 4)), 'cell'],
    [
      'puts it together through two levels',
      plus(times(quotient(cell, 20), 20), times(remainder(quotient(cell, 4), 5), 4), remainder(cell, 4)),
      'cell',
    ],
    ['knows a variable of one value', plus(use({ name: 'only', extent: 1 }), i), 'i'],
  ])('%s', (_, index, text) => expect(showIndex(index)).toBe(text));

  test('bounds', () => {
    expect(bounds(flat)).toEqual([0, 23]);
    expect(bounds(minus(j, i))).toEqual([-5, 3]);
    expect(bounds(quotient(minus(j, i), 3))).toEqual([-2, 1]);
    expect(within(flat, 0, 24)).toBe(true);
    expect(within(flat, 0, 23)).toBe(false);
  });

  test('strides', () => {
    expect(strideOf(flat, I)).toBe(4);
    expect(strideOf(times(j, 3), I)).toBe(0);
    expect(strideOf(quotient(flat, 3), I)).toBeUndefined();
  });
});

test('random expressions mean what plain arithmetic says', () => {
  const variables: readonly Var[] = [I, J, { name: 'k', extent: 7 }, { name: 'one', extent: 1 }];
  const random = draws(11);
  /** An index and what it is worth, by the rules of integers alone. */
  const build = (depth: number): readonly [Index, (names: ReadonlyMap<string, number>) => number] => {
    const choice = depth === 0 ? random(0, 1) : random(0, 6);
    if (choice === 0) {
      const value = random(-9, 9);
      return [int(value), () => value];
    }
    if (choice === 1) {
      const variable = variables[random(0, 3)] ?? I;
      return [use(variable), (names) => names.get(variable.name) ?? NaN];
    }
    const [a, valueA] = build(depth - 1);
    const [b, valueB] = build(depth - 1);
    const by = random(1, 6);
    if (choice === 2) return [plus(a, b), (names) => valueA(names) + valueB(names)];
    if (choice === 3) return [minus(a, b), (names) => valueA(names) - valueB(names)];
    if (choice === 4) return [times(a, by - 3), (names) => valueA(names) * (by - 3)];
    if (choice === 5) return [quotient(a, by), (names) => Math.floor(valueA(names) / by)];
    return [remainder(a, by), (names) => valueA(names) - by * Math.floor(valueA(names) / by)];
  };
  const cellVariable = use({ name: 'cell', extent: 24 });
  const byCell = new Map([['i', remainder(cellVariable, 6)], ['j', quotient(cellVariable, 6)]]);
  for (let trial = 0; trial < 600; trial++) {
    const [index, value] = build(5);
    const renamed = replace(index, byCell);
    const [least, greatest] = bounds(index);
    for (let draw = 0; draw < 6; draw++) {
      const names = new Map(variables.map((variable) => [variable.name, random(0, variable.extent - 1)]));
      const expected = value(names) + 0; // 0, not -0
      expect(indexOf(index, names) + 0, showIndex(index)).toBe(expected);
      expect(expected).toBeGreaterThanOrEqual(least);
      expect(expected).toBeLessThanOrEqual(greatest);
      const cell = (names.get('i') ?? 0) + 6 * (names.get('j') ?? 0);
      expect(indexOf(renamed, new Map([...names, ['cell', cell]])) + 0, showIndex(renamed)).toBe(expected);
    }
  }
});
