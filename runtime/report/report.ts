// report.html of a run: how it went, what it confuses, how its weights moved, what it is and where it ran.

import type { Model } from '../../compiler/5-emit/model.ts';
import type { Checkpoint } from '../checkpoint.ts';
import { imageSize, type Dataset } from '../data/dataset.ts';
import type { Evaluation, Mistake } from '../evaluate.ts';
import { writeWhole } from '../files.ts';
import type { EpochMetrics } from '../metrics.ts';
import type { Run, RunConfig } from '../run-dir.ts';
import { runCharts } from './charts.ts';
import { confusionTable } from './confusion.ts';
import { html, htmlTable, NOTHING, type Html } from './html.ts';
import { weightNorms, type WeightNorms } from './norms.ts';
import { chartPlaces, readAssets, renderPage, type Assets } from './page.ts';
import { pngUri } from './png.ts';
import { publishedFor, PUBLISHED_EPOCHS, type Published } from './published.ts';
import { number, percent, time } from './words.ts';

export interface ReportOptions {
  readonly run: Run;
  readonly model: Model;
  readonly dataset: Dataset;
  readonly device: string;
  /** An SVG picture of the net. */
  readonly drawing?: string;
}

export interface Report {
  /** Writes the page as the run stands now. */
  readonly write: (epochs: readonly EpochMetrics[], evaluation: Evaluation, checkpoint: Checkpoint) => Promise<void>;
}

export async function createReport(options: ReportOptions): Promise<Report> {
  const assets = await readAssets();
  const norms = weightNorms(options.model);
  return {
    write: (epochs, evaluation, checkpoint) => writeWhole(options.run.paths.report, renderReport(assets, options, { epochs, evaluation, norms: norms(checkpoint) })),
  };
}

interface State {
  readonly epochs: readonly EpochMetrics[];
  readonly evaluation: Evaluation;
  readonly norms: readonly WeightNorms[];
}

/** The page's text. */
function renderReport(assets: Assets, options: ReportOptions, { epochs, evaluation, norms }: State): string {
  const { run: { config, source }, dataset, device, drawing } = options;
  const published = publishedFor(config);
  const charts = runCharts(epochs, config.settings, published);
  const { confusion, mistakes } = evaluation;
  const body = html`
<h1>${config.net}</h1>
<p class="soft">${config.file} on ${dataset.name}, ${config.backend} (${device}): ${epochs.length} of ${config.settings.epochs} epochs</p>
${tiles(epochs)}
${published ? markNote(published) : NOTHING}
${chartPlaces(charts)}
<section><h2>Epochs</h2><details><summary>All numbers</summary>${numbers(epochs)}</details></section>
${confusion.length > 0 ? html`<section><h2>Confusions</h2><p class="note">Test images: rows are the true classes, columns the predicted ones, the last column the share that is right.</p>${confusionTable(confusion, dataset.classes)}</section>` : NOTHING}
${mistakes.length > 0 ? html`<section><h2>Most confident mistakes</h2><div class="gallery">${mistakes.map((mistake) => picture(mistake, dataset))}</div></section>` : NOTHING}
<section><h2>Weights</h2>${weights(norms)}</section>
${drawing === undefined ? NOTHING : html`<section><h2>Graph</h2><p class="note">Streams side by side, time downwards; orange lines lead from one stream to another.</p><div class="drawing">${{ html: drawing }}</div></section>`}
<section><h2>Settings and environment</h2>${htmlTable([], facts(config, dataset, device))}<details><summary>model.zz</summary><pre>${source}</pre></details></section>`;
  return renderPage(assets, { title: `${config.net}: ${epochs.length} of ${config.settings.epochs} epochs`, body, charts });
}

function tiles(epochs: readonly EpochMetrics[]): Html {
  const last = epochs.at(-1);
  if (!last) return NOTHING;
  const best = epochs.reduce((a, b) => ((b.test.accuracy ?? -1) > (a.test.accuracy ?? -1) ? b : a), last);
  const seconds = epochs.reduce((sum, epoch) => sum + epoch.seconds, 0);
  const shown: [string, string][] = [
    ...(last.test.accuracy === null
      ? [['test loss', number(last.test.loss)] as [string, string]]
      : ([['test accuracy', percent(last.test.accuracy)], ['training accuracy', percent(last.train.accuracy)], [`best test accuracy, epoch ${best.epoch}`, percent(best.test.accuracy)]] as [string, string][])),
    ['images a second', last.imagesPerSecond.toFixed(1)],
    ['training time', time(seconds)],
  ];
  return html`<div class="tiles">${shown.map(([name, value]) => html`<div class="tile"><b>${value}</b><span class="soft">${name}</span></div>`)}</div>`;
}

const markNote = ({ same }: Published): Html =>
  html`<p class="note">Dashed lines: the accuracies that the source article published for this network after ${PUBLISHED_EPOCHS} epochs.${same ? '' : ' This run has other settings than the article; they are for orientation.'}</p>`;

const numbers = (epochs: readonly EpochMetrics[]): Html =>
  htmlTable(
    ['epoch', 'training loss', 'training accuracy', 'test loss', 'test accuracy', 'images/s', 'time', ...(epochs.some(({ scaling }) => scaling) ? ['loss scale', 'steps left out'] : [])],
    epochs.map(({ epoch, train, test, imagesPerSecond, seconds, scaling }) => [String(epoch), number(train.loss), percent(train.accuracy), number(test.loss), percent(test.accuracy), imagesPerSecond.toFixed(1), time(seconds), ...(scaling ? [String(scaling.scale), String(scaling.skipped)] : [])]),
  );

function picture({ index, label, predicted, probability }: Mistake, { test, shape, classes }: Dataset): Html {
  const size = imageSize(shape);
  const was = classes[label] ?? String(label);
  const taken = classes[predicted] ?? `class ${predicted}`;
  const uri = pngUri(test.images.subarray(index * size, (index + 1) * size), shape);
  return html`<figure><img src="${uri}" alt="${`test image ${index}: ${was}`}" width="${shape[1]}" height="${shape[0]}"><figcaption>${was}<br>taken for <b>${taken}</b><br>${percent(probability)}</figcaption></figure>`;
}

function weights(norms: readonly WeightNorms[]): Html {
  const gradients = norms.some(({ gradient }) => gradient !== undefined);
  const note = `Euclidean norms: of the first values, of those now, and how far they have moved, as a share of the first norm${gradients ? '; of the running mean of the gradients that the optimiser keeps' : ''}.`;
  const head = ['weight', 'shape', 'first', 'now', 'moved', ...(gradients ? ['gradient'] : [])];
  const moved = ({ first, moved: distance }: WeightNorms): string => (first > 0 ? percent(distance / first) : number(distance));
  const rows = norms.map((weight) => [weight.id, weight.shape.join('×'), number(weight.first), number(weight.now), moved(weight), ...(gradients ? [weight.gradient === undefined ? '' : number(weight.gradient)] : [])]);
  return html`<p class="note">${note}</p>${htmlTable(head, rows)}`;
}

function facts(config: RunConfig, dataset: Dataset, device: string): (readonly [string, string])[] {
  const { optimizer, schedule, batch, epochs, seed, normalize, weightDecay, clipNorm } = config.settings;
  const call = ({ kind, ...values }: { readonly kind: string }): string => (Object.keys(values).length === 0 ? kind : `${kind}(${Object.entries(values).map(([key, value]) => `${key}: ${String(value)}`).join(', ')})`);
  return [
    ['data', `${dataset.name}, ${dataset.train.count} training and ${dataset.test.count} test images of ${dataset.shape.join('×')}`],
    ['optimizer', call(optimizer)],
    ['schedule', call(schedule)],
    ['batch', String(batch)],
    ['epochs', String(epochs)],
    ['seed', String(seed)],
    ['normalize', normalize],
    ['weight_decay', String(weightDecay)],
    ['clip_norm', String(clipNorm)],
    ['width', String(config.width)],
    ['limit', config.limit === null ? 'none' : String(config.limit)],
    ['backend', `${config.backend} (${device})`],
    ['precision', config.precision],
    ['versions', `ZigZag ${config.zigzag}, Node ${config.node}`],
    ['started', config.created],
  ];
}
