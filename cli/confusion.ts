// The confusion matrix as a table that fits a terminal: under names where they fit, under numbers where those do, else as the most frequent confusions.

import { percent, table } from './table.ts';

type Matrix = readonly (readonly number[])[];

/** So many confusions are listed where the matrix does not fit. */
const LISTED = 12;

/** Names are cut to no fewer letters than these. */
const SHORTEST = 3;

/** Rows are true classes, columns predicted ones; the last column is the share that is right. No line is wider than `width`, as far as the names of classes allow. */
export function showConfusion(confusion: Matrix, classes: readonly string[], width: number): string {
  const name = (i: number): string => classes[i] ?? String(i);
  const right = (i: number): string => percent((confusion[i]?.[i] ?? 0) / Math.max(1, (confusion[i] ?? []).reduce((a, b) => a + b, 0)));
  const fits = (text: string): boolean => text.split('\n').every((line) => line.length <= width);
  const matrix = (head: string, row: (i: number) => string, column: (i: number) => string, gap: string): string =>
    `${head}\n${table([['class', ...confusion.map((_, i) => column(i)), 'right'], ...confusion.map((counts, i) => [row(i), ...counts.map(String), right(i)])], gap)}`;
  const list = (): string => {
    const pairs = confusion.flatMap((counts, i) => counts.map((count, j) => ({ i, j, count }))).filter(({ i, j, count }) => i !== j && count > 0).sort((a, b) => b.count - a.count);
    const frequent = pairs.slice(0, LISTED).map(({ i, j, count }) => [String(count), `${name(i)} taken for ${name(j)}`]);
    const shares = table([['class', 'right'], ...confusion.map((_, i) => [name(i), right(i)])]);
    return frequent.length === 0 ? shares : `${shares}\n\nthe most frequent confusions\n${frequent.map(([count, what]) => `${(count ?? '').padStart(6)}  ${what ?? ''}`).join('\n')}`;
  };
  const rows = 'rows: the true class, columns: the predicted one';
  const numbered = (i: number): string => `${i} ${name(i)}`;
  const longest = Math.max(1, ...classes.map((label) => label.length));
  const letters = Array.from({ length: longest }, (_, i) => longest - i).filter((most) => most >= Math.min(longest, SHORTEST));
  const named = letters.map((most) => abbreviations(classes, most)).filter((short) => short !== undefined);
  const tries = [
    ...named.map((short) => () => matrix(rows, name, (i) => short[i] ?? String(i), '  ')),
    () => matrix(`${rows}, by number`, numbered, String, '  '),
    () => matrix(`${rows}, by number`, numbered, String, ' '),
  ];
  for (const attempt of tries) {
    const text = attempt();
    if (fits(text)) return text;
  }
  return list();
}

/** Names cut to so many letters, or undefined where two would read the same. */
function abbreviations(names: readonly string[], most: number): string[] | undefined {
  const short = names.map((name) => name.slice(0, most).trimEnd());
  return new Set(short).size === names.length ? short : undefined;
}
