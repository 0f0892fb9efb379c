// The confusion matrix as a table of colours, or what is confused most where there are many classes.

import type { Evaluation } from '../evaluate.ts';
import { html, htmlTable, type Html } from './html.ts';
import { percent } from './words.ts';

/** More classes would not be readable as a matrix. */
const WIDEST = 40;
const LISTED = 40;

/** Rows are the true classes, columns the predicted ones, the last column the share that is right. */
export function confusionTable(confusion: Evaluation['confusion'], classes: readonly string[]): Html {
  const total = (row: readonly number[]): number => Math.max(1, row.reduce((a, b) => a + b, 0));
  const name = (i: number): string => classes[i] ?? String(i);
  if (confusion.length > WIDEST) {
    const pairs = confusion.flatMap((row, i) => row.map((count, j) => ({ i, j, count }))).filter(({ i, j, count }) => i !== j && count > 0);
    return htmlTable(['true class', 'taken for', 'images'], pairs.toSorted((a, b) => b.count - a.count).slice(0, LISTED).map(({ i, j, count }) => [name(i), name(j), String(count)]));
  }
  const cell = (count: number, row: readonly number[], right: boolean): Html => html`<td class="${right ? 'right' : 'wrong'}" style="--share: ${(count / total(row) * 0.85).toFixed(3)}">${count === 0 ? '' : count}</td>`;
  return html`<div class="scroll"><table class="matrix"><thead><tr><th scope="col"></th>${confusion.map((_, j) => html`<th scope="col">${name(j)}</th>`)}<th scope="col">right</th></tr></thead><tbody>${confusion.map(
    (row, i) => html`<tr><th scope="row">${name(i)}</th>${row.map((count, j) => cell(count, row, i === j))}<th>${percent((row[i] ?? 0) / total(row))}</th></tr>`,
  )}</tbody></table></div>`;
}
