// Several runs side by side: what each came to, which settings differ, and their curves in the same charts.

import type { EpochMetrics } from '../metrics.ts';
import type { Score } from '../score.ts';
import type { RunConfig } from '../run-dir.ts';
import { compareCharts } from './charts.ts';
import { html, htmlTable, NOTHING, type Html } from './html.ts';
import { chartPlaces, renderPage, type Assets } from './page.ts';
import { number, percent, time } from './words.ts';

export interface ComparedRun {
  /** The directory, as it was named. */
  readonly name: string;
  readonly config: RunConfig;
  readonly epochs: readonly EpochMetrics[];
}

/** What a run came to; no numbers where no epoch is done. */
export interface Result {
  readonly run: string;
  readonly net: string;
  readonly backend: string;
  readonly epochs: number;
  readonly train?: Score;
  readonly test?: Score;
  /** The best test accuracy, or the lowest test loss where there is none, and its epoch. */
  readonly best?: Score & { readonly epoch: number };
  /** Over all epochs, evaluation left out. */
  readonly imagesPerSecond?: number;
  readonly seconds: number;
}

export function resultOf({ name, config, epochs }: ComparedRun): Result {
  const last = epochs.at(-1);
  const seconds = epochs.reduce((sum, epoch) => sum + epoch.seconds, 0);
  const base = { run: name, net: config.net, backend: config.backend, epochs: epochs.length, seconds };
  if (!last) return base;
  const better = (a: EpochMetrics, b: EpochMetrics): boolean => (a.test.accuracy !== null && b.test.accuracy !== null ? b.test.accuracy > a.test.accuracy : b.test.loss < a.test.loss);
  const best = epochs.reduce((a, b) => (better(a, b) ? b : a));
  const images = epochs.reduce((sum, epoch) => sum + epoch.imagesPerSecond * epoch.seconds, 0);
  return { ...base, train: last.train, test: last.test, best: { ...best.test, epoch: best.epoch }, imagesPerSecond: images / Math.max(seconds, 1e-9) };
}

/** Settings that are not the same in all runs, each with its value in every run, in the runs' order. */
export function differingSettings(runs: readonly ComparedRun[]): (readonly [name: string, values: readonly string[]])[] {
  const tables = runs.map(({ config }) => settingsOf(config));
  const names = [...new Set(tables.flatMap((table) => [...table.keys()]))];
  return names.map((name) => [name, tables.map((table) => table.get(name) ?? '–')] as const).filter(([, values]) => new Set(values).size > 1);
}

function settingsOf({ net, backend, precision, width, limit, settings }: RunConfig): Map<string, string> {
  const { optimizer, schedule, ...plain } = settings;
  const parts = (prefix: string, { kind, ...values }: { readonly kind: string }): [string, unknown][] => [[prefix, kind], ...Object.entries(values)];
  const all: [string, unknown][] = [['net', net], ['backend', backend], ['precision', precision], ...parts('optimizer', optimizer), ...parts('schedule', schedule), ...Object.entries(plain).map(([key, value]): [string, unknown] => [keyOf(key), value]), ['width', width], ['limit', limit ?? 'none']];
  return new Map(all.map(([name, value]) => [name, String(value)]));
}

/** A setting as a `train` block writes it. */
const keyOf = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

const score = (value: Score | undefined): string => (value === undefined ? '–' : value.accuracy === null ? number(value.loss) : percent(value.accuracy));

/** The page's text. */
export function renderComparison(assets: Assets, runs: readonly ComparedRun[]): string {
  const charts = compareCharts(runs);
  const differing = differingSettings(runs);
  const results = runs.map(resultOf);
  const rows = results.map((result, i) => [
    html`<span class="key" style="--key: var(--c${i % 8})"></span>${result.run}`,
    result.net, result.backend, String(result.epochs), score(result.train), score(result.test), result.best ? `${score(result.best)} (${result.best.epoch})` : '–',
    result.imagesPerSecond?.toFixed(1) ?? '–', time(result.seconds),
  ]);
  const body = html`
<h1>${runs.length} runs</h1>
<p class="soft">${runs.map(({ name }) => name).join(', ')}</p>
<section><h2>Results</h2><p class="note">Accuracies after the last epoch, or losses where a net has no classes; the best test result with its epoch.</p>${htmlTable(['run', 'net', 'backend', 'epochs', 'training', 'test', 'best test', 'images/s', 'time'], rows)}</section>
${chartPlaces(charts)}
${settingsSection(differing, runs)}`;
  return renderPage(assets, { title: `${runs.length} runs`, body, charts });
}

const settingsSection = (differing: ReturnType<typeof differingSettings>, runs: readonly ComparedRun[]): Html =>
  differing.length === 0 ? (runs.length > 1 ? html`<p class="note">All runs have the same settings.</p>` : NOTHING) : html`<section><h2>Settings that differ</h2>${htmlTable(['setting', ...runs.map(({ name }) => name)], differing.map(([name, values]) => [name, ...values]))}</section>`;
