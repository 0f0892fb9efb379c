// A line diff in unified form (Myers, "An O(ND) Difference Algorithm and Its Variations", 1986), bounded for large inputs.

type Edit = ' ' | '-' | '+';
type Line = readonly [edit: Edit, text: string];

/** Beyond so many differing lines the whole middle is shown as replaced: time and memory stay near linear. */
const MAX_EDITS = 3000;

/** Lines of both texts in order: kept, taken from `a`, or added by `b`. */
export function diffLines(a: string, b: string, maxEdits = MAX_EDITS): Line[] {
  const [old, young] = [lines(a), lines(b)];
  let start = 0;
  while (start < old.length && start < young.length && old[start] === young[start]) start++;
  let end = 0;
  while (end < old.length - start && end < young.length - start && old[old.length - 1 - end] === young[young.length - 1 - end]) end++;
  const kept = (list: readonly string[]): Line[] => list.map((text) => [' ', text]);
  const middle = myers(old.slice(start, old.length - end), young.slice(start, young.length - end), maxEdits);
  return [...kept(old.slice(0, start)), ...middle, ...kept(old.slice(old.length - end))];
}

const lines = (text: string): string[] => (text === '' ? [] : text.replace(/\n$/, '').split('\n'));

/** The shortest edit of `a` into `b`: `furthest[d]` holds, for every diagonal, how far d edits reach. */
function myers(a: readonly string[], b: readonly string[], maxEdits: number): Line[] {
  const replaced = (): Line[] => [...a.map((text): Line => ['-', text]), ...b.map((text): Line => ['+', text])];
  if (a.length === 0 || b.length === 0) return replaced();
  const trace: Int32Array[] = [];
  // Of d edits, index k + d + 1 is diagonal k = x - y; the ends are sentinels.
  let last = Int32Array.of(-1, 0, -1);
  const at = (row: Int32Array, d: number, k: number): number => row[k + d + 1] ?? -1;
  for (let d = 0; d <= Math.min(maxEdits, a.length + b.length); d++) {
    const row = new Int32Array(2 * d + 3).fill(-1);
    for (let k = -d; k <= d; k += 2) {
      const down = d === 0 ? 0 : at(last, d - 1, k + 1);
      const right = d === 0 ? -1 : at(last, d - 1, k - 1) + 1;
      let x = k === -d || (k !== d && right <= down) ? down : right;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x++;
      row[k + d + 1] = x;
      if (x >= a.length && x - k >= b.length) return backtrack(a, b, [...trace, row]);
    }
    trace.push(row);
    last = row;
  }
  return replaced();
}

function backtrack(a: readonly string[], b: readonly string[], trace: readonly Int32Array[]): Line[] {
  const result: Line[] = [];
  let [x, y] = [a.length, b.length];
  for (let d = trace.length - 1; d > 0; d--) {
    const row = trace[d - 1] ?? new Int32Array();
    const at = (k: number): number => row[k + d] ?? -1;
    const k = x - y;
    const down = k === -d || (k !== d && at(k - 1) + 1 <= at(k + 1));
    const from = down ? k + 1 : k - 1;
    const [startX, startY] = [at(from), at(from) - from];
    // The kept lines after the edit, then the edit itself.
    const afterEdit = down ? startX : startX + 1;
    for (let kept = x; kept > afterEdit; kept--) result.push([' ', a[kept - 1] ?? '']);
    result.push(down ? ['+', b[startY] ?? ''] : ['-', a[startX] ?? '']);
    [x, y] = [startX, startY];
  }
  for (; x > 0; x--) result.push([' ', a[x - 1] ?? '']);
  return result.toReversed();
}

/** Unified form with `context` lines around each change; an empty text where nothing differs. */
export function unifiedDiff(from: { name: string; text: string }, to: { name: string; text: string }, context = 3): string {
  const edits = diffLines(from.text, to.text);
  const near = new Uint8Array(edits.length);
  edits.forEach(([edit], i) => {
    if (edit !== ' ') near.fill(1, Math.max(0, i - context), i + context + 1);
  });
  const out: string[] = [];
  let [oldLine, newLine] = [1, 1];
  for (let i = 0; i < edits.length; ) {
    const end = near[i] === 1 ? endOf(near, i) : i + 1;
    const hunk = edits.slice(i, end);
    const [olds, news] = [hunk.filter(([edit]) => edit !== '+').length, hunk.filter(([edit]) => edit !== '-').length];
    if (near[i] === 1) {
      out.push(`@@ -${place(oldLine, olds)} +${place(newLine, news)} @@`);
      for (const [edit, text] of hunk) out.push(`${edit}${text}`);
    }
    oldLine += olds;
    newLine += news;
    i = end;
  }
  return out.length === 0 ? '' : [`--- ${from.name}`, `+++ ${to.name}`, ...out, ''].join('\n');
}

function endOf(near: Uint8Array, start: number): number {
  const end = near.indexOf(0, start);
  return end < 0 ? near.length : end;
}

/** An empty range names the line before it, as in every unified diff. */
const place = (line: number, count: number): string => (count === 0 ? `${line - 1},0` : count === 1 ? String(line) : `${line},${count}`);
