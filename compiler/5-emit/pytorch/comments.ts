// Lines of Python with the lines of the source that they come from, and steps that repeat as loops.

import type { Loc } from '../../diagnostics.ts';
import { fileName } from '../file-name.ts';
import { indent } from './python.ts';
import type { Line } from './unit.ts';

export interface Sources {
  /** The file whose line numbers stand alone. */
  readonly main: string;
  /** The lines of each file. */
  readonly lines: ReadonlyMap<string, readonly string[]>;
}

/** `12: step image: straight`, or `blocks.zz:3: ...` for another file. */
function sourceLine({ file, line }: Loc, { main, lines }: Sources): string {
  const text = lines.get(file)?.[line - 1]?.trim();
  const place = file === main ? String(line) : `${fileName(file)}:${line}`;
  return text === undefined ? place : `${place}: ${text}`;
}

const MAX_LINE = 130;

const keyOf = ({ text, loc }: Line): string => `${text} ${loc?.file}:${loc?.line}`;

/** The lines, each new line of the source as a comment before them, or behind a step of streams. */
export function commented(lines: readonly Line[], sources: Sources): string[] {
  const result: string[] = [];
  let last = '';
  for (let i = 0; i < lines.length; ) {
    const line = lines[i] as Line;
    const { text, loc } = line;
    if (line.step) {
      const steps = lines.slice(i, lines.findIndex((each, j) => j > i && !each.step) >>> 0);
      result.push(...looped(steps, sources));
      i += steps.length;
      last = '';
      continue;
    }
    const key = loc ? `${loc.file}:${loc.line}` : '';
    if (loc && key !== last) result.push(`# ${sourceLine(loc, sources)}`);
    // What comes from no line of its own is set apart from what stands above; the end is not.
    if (!loc && last !== '' && !text.startsWith('return ')) result.push('');
    last = key;
    result.push(...text.split('\n'));
    i++;
  }
  return result;
}

/** Steps, with those that the source repeats as a loop. */
function looped(steps: readonly Line[], sources: Sources): string[] {
  const result: string[] = [];
  for (let i = 0; i < steps.length; ) {
    const { period, times } = repeatAt(steps, i);
    const body = times === 1 ? steps.slice(i, i + 1).flatMap((step) => withStep(step, sources)) : looped(steps.slice(i, i + period), sources);
    result.push(...(times === 1 ? body : [`for _ in range(${times}):`, ...indent(body)]));
    i += times === 1 ? 1 : period * times;
  }
  return result;
}

/** How many steps from `start` on are repeated, and how often: the repetition that covers most. */
function repeatAt(steps: readonly Line[], start: number): { period: number; times: number } {
  let best = { period: 1, times: 1 };
  for (let period = 1; start + 2 * period <= steps.length; period++) {
    let times = 1;
    const same = (from: number): boolean => steps.slice(from, from + period).every((step, k) => keyOf(step) === keyOf(steps[start + k] as Line));
    while (start + (times + 1) * period <= steps.length && same(start + times * period)) times++;
    if (times > 1 && times * period > best.times * best.period) best = { period, times };
  }
  return best;
}

function withStep({ text, loc }: Line, sources: Sources): string[] {
  const lines = text.split('\n');
  if (!loc) return lines;
  const comment = `# ${sourceLine(loc, sources)}`;
  const [only = '', ...more] = lines;
  return more.length === 0 && only.length + comment.length + 10 <= MAX_LINE ? [`${only}  ${comment}`] : [comment, ...lines];
}
