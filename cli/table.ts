// Plain text tables and numbers for people.

/** Columns padded to their widest cell; the first column left-aligned, the others right. */
export function table(rows: readonly (readonly string[])[], gap = '  '): string {
  const widths = (rows[0] ?? []).map((_, c) => Math.max(...rows.map((row) => (row[c] ?? '').length)));
  return rows.map((row) => row.map((cell, c) => (c === 0 ? cell.padEnd(widths[c] ?? 0) : cell.padStart(widths[c] ?? 0))).join(gap).trimEnd()).join('\n');
}

/** A table that is too wide in parts, one below the other, each with the first column. */
export function narrowTable(rows: readonly (readonly string[])[], width: number): string {
  const columns = (rows[0] ?? []).map((_, c) => c);
  const part = (chosen: readonly number[]): string => table(rows.map((row) => [0, ...chosen].map((c) => row[c] ?? '')));
  const fits = (chosen: readonly number[]): boolean => part(chosen).split('\n').every((line) => line.length <= width);
  const parts = columns.slice(1).reduce<number[][]>((all, c) => {
    const last = all.at(-1);
    return last && fits([...last, c]) ? [...all.slice(0, -1), [...last, c]] : [...all, [c]];
  }, []);
  return parts.map(part).join('\n\n');
}

/** A text in lines of at most `width` columns. Longer words stay whole. */
export const wrapped = (text: string, width: number): string =>
  text.split(' ').reduce((lines, word) => (lines.length - lines.lastIndexOf('\n') + word.length <= width ? `${lines} ${word}` : `${lines}\n${word}`));

/** Texts behind their labels, broken so that the labels stand free. */
export const labelled = (rows: readonly (readonly [label: string, text: string])[], column: number, width: number): string =>
  rows.map(([label, text]) => `${label.padEnd(column)}${wrapped(text, Math.max(20, width - column)).replaceAll('\n', `\n${' '.repeat(column)}`)}`).join('\n');

export const percent = (share: number | null, digits = 1): string => (share === null ? '-' : `${(100 * share).toFixed(digits)} %`);

/** Four significant digits without a needless exponent. */
export const decimal = (value: number): string => (Math.abs(value) >= 1e-3 && Math.abs(value) < 1e6 ? value.toPrecision(4) : value === 0 ? '0' : value.toExponential(2));

/** `1 epoch`, `2 epochs`. */
export const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

/** 1:02:03, 2:03 or 4.2 s. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '?';
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const two = (n: number): string => String(n).padStart(2, '0');
  const minutes = Math.floor(whole / 60);
  return minutes < 60 ? `${minutes}:${two(whole % 60)}` : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}`;
}
