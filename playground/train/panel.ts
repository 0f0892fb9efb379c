// The training tab: how a run is set up, how it goes, what came of it.

import { html, nothing, render } from 'lit-html';
import { unsafeHTML } from 'lit-html/directives/unsafe-html.js';
import type { TemplateResult } from 'lit-html';
import { confusionTable } from '../../runtime/report/confusion.ts';
import { number, percent, time } from '../../runtime/report/words.ts';
import type { Page } from '../state.ts';
import { netOf } from '../state.ts';
import { createCharts } from './charts.ts';
import type { Control } from './control.ts';
import { hindrance } from './control.ts';
import { chosenFiles } from './dropped.ts';
import { drawMistakes } from './mistakes.ts';
import { BACKENDS, BACKEND_TITLES } from './messages.ts';
import type { BackendName, DataSummary } from './messages.ts';
import type { Setup } from './setup.ts';
import { secondsLeft } from './state.ts';
import type { TrainState } from './state.ts';

export function createTrainPanel(place: HTMLElement, page: Page, control: Control): void {
  render(
    html`<form class="setup"></form><div class="run"></div>
      <div class="charts" hidden><div><h3>Loss</h3><div></div></div><div><h3>Accuracy</h3><div></div></div></div>
      <div class="after"></div>`,
    place,
  );
  const [form, run, charts, found] = [...place.children] as [HTMLFormElement, HTMLElement, HTMLElement, HTMLElement];
  const [loss, accuracy] = [...charts.querySelectorAll<HTMLElement>('h3 + div')] as [HTMLElement, HTMLElement];
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    void control.train();
  });
  // Made when it is first shown: a chart takes its width from its place.
  let curves: ReturnType<typeof createCharts> | undefined;
  const draw = (): void => {
    if (page.get().tab !== 'train') return;
    const state = control.state.get();
    render(setupForm(page, control, state), form);
    render(runOf(page, control, state), run);
    charts.hidden = state.opened === undefined;
    // A net without a classifier has no accuracy.
    accuracy.parentElement?.toggleAttribute('hidden', state.opened?.canPredict === false);
    if (state.opened) {
      curves ??= createCharts({ loss, accuracy });
      curves.draw(control.plotter().curves, state.opened.epochs);
    }
    render(results(control, state), found);
    drawMistakes(found, state);
  };
  page.listen(draw);
  control.state.listen(draw);
}

const busy = ({ phase }: TrainState): boolean => phase === 'opening' || phase === 'training' || phase === 'stopping';

export const describeData = ({ name, shape, classes, train, test }: DataSummary): string =>
  `${name}: ${train.toLocaleString('en')} training and ${test.toLocaleString('en')} test images of ${shape.join('×')}, ${classes.length} classes`;

function setupForm(page: Page, control: Control, state: TrainState): TemplateResult {
  const { setup } = page.get();
  const { own, reading } = state;
  const net = netOf(page.get())?.built;
  const set = (change: Partial<Setup>): void => page.set({ setup: { ...page.get().setup, ...change } });
  const still = busy(state);
  const field = (name: 'images' | 'width' | 'epochs', title: string, hint: string, step: string, least: string) =>
    html`<label>${title}<input type="number" min=${least} step=${step} placeholder=${hint} .value=${setup[name]} ?disabled=${still} @input=${({ target }: Event) => set({ [name]: (target as HTMLInputElement).value })}></label>`;
  const files = (title: string, folder: boolean) => html`<label class="button">${title}<input class="visually-hidden" type="file" multiple ?webkitdirectory=${folder} ?disabled=${still} @change=${({ target }: Event) => {
    const input = target as HTMLInputElement;
    void control.bring(chosenFiles(input));
    input.value = '';
  }}></label>`;
  return html`
    <div class="data">
      <label>Data
        <select ?disabled=${still} @change=${({ target }: Event) => set({ data: (target as HTMLSelectElement).value as Setup['data'] })}>
          <option value="synthetic" ?selected=${setup.data === 'synthetic' || !own}>synthetic: ten textures, made here</option>
          ${own ? html`<option value="own" ?selected=${setup.data === 'own'}>${own.name}: images of your own</option>` : nothing}
        </select></label>
      <p class="soft">
        ${reading !== undefined ? html`<span role="status">${reading} …</span>` : own && setup.data === 'own' ? html`${describeData(own)}. <button type="button" class="link" @click=${control.forget}>Put them away</button>` : 'Or drop CIFAR-10 on the page: the binary files, the .tar.gz, or a folder with train/ and test/. They stay on this machine.'}
      </p>
      <div class="choices">${files('Choose files', false)}${files('Choose a folder', true)}</div>
    </div>
    <div class="fields">
      ${field('epochs', 'Epochs', String(net?.settings.epochs ?? ''), '1', '1')}
      ${field('images', 'Training images', 'all', '1', '1')}
      ${field('width', 'Width', '1', 'any', '0.01')}
      <label>Runs on
        <select ?disabled=${still} @change=${({ target }: Event) => set({ backend: (target as HTMLSelectElement).value as BackendName })}>
          ${BACKENDS.map((name) => html`<option value=${name} ?selected=${setup.backend === name}>${BACKEND_TITLES[name]}</option>`)}
        </select></label>
    </div>
  `;
}

function runOf(page: Page, control: Control, state: TrainState): TemplateResult {
  const { phase, opened, trouble } = state;
  const why = hindrance(page);
  const start = html`<button class=${phase === 'stopped' ? '' : 'primary'} ?disabled=${why !== undefined || busy(state)} @click=${control.train} title="Ctrl-Enter">${opened ? 'Train anew' : 'Train'}</button>`;
  const stop = html`<button class="primary" ?disabled=${phase !== 'training'} @click=${control.stop} title="Ctrl-Enter">Stop</button>`;
  const goOn = html`<button class="primary" @click=${control.goOn} title="Ctrl-Enter">Go on</button>`;
  return html`
    <div class="buttons">
      ${busy(state) ? stop : phase === 'stopped' ? html`${goOn}${start}` : start}
      ${opened && !busy(state) && state.epochs.length + (phase === 'stopped' ? 1 : 0) > 0 ? html`<button @click=${control.saveWeights} title="A .safetensors file, for zz compile --weights and others">Save the weights</button>` : nothing}
      <span class="soft" role="status">${whatGoesOn(state, why)}</span>
    </div>
    ${busy(state) || phase === 'stopped' ? html`<progress max="1" .value=${share(state)} aria-label="of the run"></progress>` : nothing}
    ${trouble ? html`<div class="trouble" role="alert"><pre>${trouble.message}</pre><p>${trouble.advice}</p></div>` : nothing}
    ${opened ? html`<p class="soft">${opened.net}, ${describeData(opened.data)}; ${opened.device}</p>` : nothing}
    ${opened?.notes.map((note) => html`<p class="soft">${note}</p>`)}
    ${opened ? tiles(state) : nothing}
  `;
}

/** A run that takes longer than so many seconds gets advice. */
const LONG = 600;

function whatGoesOn(state: TrainState, why: string | undefined): string {
  const { phase, under, opened, progress, epochs } = state;
  if (phase === 'opening') return `${under} …`;
  if (phase === 'stopping') return 'stopping after this step …';
  if (!opened) return why ?? '';
  const at = progress ? `epoch ${progress.epoch} of ${opened.epochs}, step ${progress.stepOfEpoch} of ${opened.stepsPerEpoch}` : `epoch 1 of ${opened.epochs}`;
  if (phase === 'stopped') return `stopped in ${at}`;
  if (phase === 'done') return `done in ${time(epochs.reduce((sum, { seconds }) => sum + seconds, 0))} of training`;
  if (!progress) return at;
  const left = secondsLeft(opened, progress);
  const advice = left > LONG ? ' A smaller width (0.25), or fewer images, take less.' : '';
  const scoring = progress.scoring ? `, scoring ${progress.scoring.done.toLocaleString('en')} of ${progress.scoring.total.toLocaleString('en')} test images` : '';
  return `${at}${scoring}; about ${time(Math.ceil(left))} left.${advice}`;
}

/** How much of the run's steps is done. */
function share({ opened, progress }: TrainState): number {
  if (!opened || !progress) return 0;
  return ((progress.epoch - 1) * opened.stepsPerEpoch + progress.stepOfEpoch) / (opened.epochs * opened.stepsPerEpoch);
}

function tiles({ progress, epochs }: TrainState): TemplateResult {
  const last = epochs.at(-1);
  const best = Math.max(...epochs.map(({ test }) => test.accuracy ?? -Infinity));
  const shown: readonly (readonly [name: string, value: string])[] = [
    ...(last && last.test.accuracy !== null ? ([['test accuracy', percent(last.test.accuracy)], ['best so far', percent(best)]] as const) : []),
    ...(last ? ([['test loss', number(last.test.loss)]] as const) : []),
    ...(progress ? ([['images a second', progress.imagesPerSecond.toFixed(progress.imagesPerSecond < 100 ? 1 : 0)]] as const) : []),
  ];
  return html`<div class="tiles">${shown.map(([name, value]) => html`<div class="tile"><b>${value}</b><span class="soft">${name}</span></div>`)}</div>`;
}

function results(control: Control, state: TrainState): TemplateResult {
  const { confused, opened, phase, predicted } = state;
  if (!opened) return html``;
  const ready = (phase === 'stopped' || phase === 'done') && opened.canPredict;
  return html`
    ${ready
      ? html`<section><h3>Predict</h3>
          <p class="soft">Drop an image of your own, or <label class="button">choose one<input class="visually-hidden" type="file" accept="image/png,image/jpeg,image/webp" @change=${({ target }: Event) => {
            const [file] = (target as HTMLInputElement).files ?? [];
            if (file) void control.predict(file);
          }}></label></p>
          ${predicted
            ? html`<div class="predicted"><img src=${predicted.picture} alt=${predicted.name} width="96" height="96" ?hidden=${predicted.trouble !== undefined}>
                ${predicted.trouble ? html`<div class="trouble" role="alert"><pre>${predicted.trouble.message}</pre><p>${predicted.trouble.advice}</p></div>` : html`<ol role="status">${predicted.ranked?.slice(0, 3).map(({ label, probability }) => html`<li><span>${label}</span><meter min="0" max="1" value=${probability}></meter> ${percent(probability)}</li>`)}</ol>`}
              </div>`
            : nothing}
        </section>`
      : nothing}
    ${confused && confused.confusion.length > 0
      ? html`<section><h3>Confusions</h3><p class="soft">Test images: rows are the true classes, columns the predicted ones, the last column the share that is right.</p>${unsafeHTML(confusionTable(confused.confusion, opened.data.classes).html)}</section>
          ${confused.mistakes.length > 0 ? html`<section><h3>The surest mistakes</h3><div class="gallery">${confused.mistakes.map(({ label, predicted: taken, probability }) => html`<figure><canvas width=${opened.data.shape[1] ?? 1} height=${opened.data.shape[0] ?? 1}></canvas><figcaption>${opened.data.classes[label]}<br>taken for <b>${opened.data.classes[taken] ?? `class ${taken}`}</b><br>${percent(probability)}</figcaption></figure>`)}</div></section>` : nothing}`
      : nothing}
  `;
}
