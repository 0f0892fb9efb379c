// A whole page in one file: the template, the charting library, the charts' data and the body.

import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { Chart } from './charts.ts';
import { escapeHtml, html, type Html } from './html.ts';

/** What every page is made of: read once. */
export interface Assets {
  readonly template: string;
  readonly library: string;
  readonly style: string;
}

export async function readAssets(): Promise<Assets> {
  const { resolve } = createRequire(import.meta.url);
  const [template, library, style] = await Promise.all([
    readFile(new URL('page.html', import.meta.url), 'utf8'),
    readFile(resolve('uplot/dist/uPlot.iife.min.js'), 'utf8'),
    readFile(resolve('uplot/dist/uPlot.min.css'), 'utf8'),
  ]);
  return { template, library, style };
}

/** JSON inside a script element: no text in it may end the element. */
const scriptJson = (value: unknown): string => JSON.stringify(value).replaceAll('<', '\\u003c');

/** The page's text. It asks for nothing from outside. */
export function renderPage({ template, library, style }: Assets, { title, body, charts }: { readonly title: string; readonly body: Html; readonly charts: readonly Chart[] }): string {
  const parts: Readonly<Record<string, string>> = { TITLE: escapeHtml(title), LIBRARY_STYLE: style, LIBRARY: library, BODY: body.html, CHARTS: scriptJson(charts) };
  return template.replaceAll(/%([A-Z_]+)%/g, (whole, name: string) => parts[name] ?? whole);
}

/** Where the page's script draws the charts. */
export const chartPlaces = (charts: readonly Chart[]): Html =>
  html`<div class="charts">${charts.map(({ title }, i) => html`<section><h2>${title}</h2><div data-chart="${i}"></div></section>`)}</div>`;
