// What the training tab does: it starts, stops and goes on, brings images and asks for classes. The work is a worker's.

import { proxy, wrap } from 'comlink';
import type { Remote } from 'comlink';
import { save } from '../files.ts';
import type { Page } from '../state.ts';
import { editedOf, hasErrors, netOf } from '../state.ts';
import { createStore } from '../store.ts';
import type { Store } from '../store.ts';
import type { Dropped, News, Outcome, Training } from './messages.ts';
import { numbersOf } from './setup.ts';
import { after, createPlotter, IDLE } from './state.ts';
import type { Plotter, TrainState } from './state.ts';

export interface Control {
  readonly state: Store<TrainState>;
  /** The curves of the run. */
  readonly plotter: () => Plotter;
  readonly train: () => Promise<void>;
  readonly stop: () => Promise<void>;
  readonly goOn: () => Promise<void>;
  /** What Ctrl-Enter does: stop where something trains, go on where it was stopped, otherwise train. */
  readonly next: () => Promise<void>;
  readonly bring: (files: readonly Dropped[]) => Promise<void>;
  readonly forget: () => void;
  readonly predict: (file: File) => Promise<void>;
  readonly saveWeights: () => Promise<void>;
}

/** Why a run cannot begin; undefined where it can. */
export function hindrance(page: Page): string | undefined {
  const state = page.get();
  const net = netOf(state);
  if (hasErrors(state) || !net?.built) return 'The net has errors.';
  if (!net.built.hasLoss) return 'The net has no loss: it can predict, but not be trained.';
  return numbersOf(state.setup) ? undefined : 'A number above makes no sense.';
}

/** `check` resolves when all of the text has been checked. */
export function createControl(page: Page, check: () => Promise<void>): Control {
  const state = createStore<TrainState>(IDLE);
  let plotter = createPlotter();
  let started: Remote<Training> | undefined;
  // The worker holds a compiler and a runtime: it is there once something needs it.
  const worker = (): Remote<Training> => (started ??= wrap<Training>(open()));
  const open = (): Worker => {
    const opened = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module', name: 'training' });
    // What it was asked for will not be answered.
    opened.addEventListener('error', ({ message }) => {
      opened.terminate();
      started = undefined;
      state.set({ ...IDLE, trouble: { message: message ? `the worker that trains broke down: ${message}` : 'the worker that trains could not be loaded', advice: 'Load the page anew.' } });
    });
    return opened;
  };

  /** Hears of one run: what comes late of an earlier one is passed over. */
  const hearer = (): ((news: News) => void) => {
    const own = plotter;
    return (news) => {
      if (own !== plotter) return;
      // What listens to the state draws the curves.
      plotter.add(news, state.get().opened?.stepsPerEpoch ?? 1);
      state.set(after(state.get(), news));
    };
  };
  const finish = (outcome: Outcome<boolean>): void => {
    if ('value' in outcome) return state.set({ phase: outcome.value ? 'done' : 'stopped' });
    // A run that has begun keeps what it has reached.
    return state.set({ phase: state.get().opened ? 'stopped' : 'idle', trouble: outcome.trouble });
  };

  const train = async (): Promise<void> => {
    await check();
    const why = hindrance(page);
    const current = page.get();
    const [net, numbers] = [netOf(current), numbersOf(current.setup)];
    if (why !== undefined || !net || !numbers) return page.set({ message: why ?? '' });
    const { own } = state.get();
    plotter = createPlotter();
    state.set({ ...IDLE, own, phase: 'opening', under: 'starting' });
    const { data, backend } = current.setup;
    finish(await worker().train({ ...editedOf(current), net: net.name, data: data === 'own' && own ? 'own' : 'synthetic', ...numbers, backend }, proxy(hearer())));
  };
  const goOn = async (): Promise<void> => {
    state.set({ phase: 'training', trouble: undefined, predicted: undefined });
    finish(await worker().goOn(proxy(hearer())));
  };
  const stop = async (): Promise<void> => {
    state.set({ phase: 'stopping' });
    await worker().stop();
  };
  return {
    state,
    plotter: () => plotter,
    train,
    stop,
    goOn,
    next: () => ({ idle: train, done: train, training: stop, stopped: goOn, opening: async () => undefined, stopping: async () => undefined })[state.get().phase](),
    async bring(files) {
      if (files.length === 0) return;
      state.set({ reading: 'reading', trouble: undefined });
      // The last of these may come after the outcome.
      let reading = true;
      const outcome = await worker().bring(files, proxy((text: string) => reading && state.set({ reading: text })));
      reading = false;
      state.set({ reading: undefined });
      if ('trouble' in outcome) return state.set({ trouble: outcome.trouble });
      state.set({ own: outcome.value });
      page.set({ setup: { ...page.get().setup, data: 'own' } });
    },
    forget() {
      state.set({ own: undefined });
      page.set({ setup: { ...page.get().setup, data: 'synthetic' } });
    },
    async predict(file) {
      const { predicted } = state.get();
      if (predicted) URL.revokeObjectURL(predicted.picture);
      const shown = { picture: URL.createObjectURL(file), name: file.name };
      state.set({ predicted: shown });
      const outcome = await worker().predict(file);
      state.set({ predicted: 'value' in outcome ? { ...shown, ranked: outcome.value } : { ...shown, trouble: outcome.trouble } });
    },
    async saveWeights() {
      const outcome = await worker().weights();
      if ('trouble' in outcome) return state.set({ trouble: outcome.trouble });
      return save(outcome.value.name, outcome.value.bytes, 'application/octet-stream');
    },
  };
}
