// The worker that trains: it holds the data and one run.

import { expose, transfer } from 'comlink';
import { encodeCheckpoint } from '../../runtime/checkpoint.ts';
import { classify } from '../../runtime/classify.ts';
import { imageSize } from '../../runtime/data/dataset.ts';
import type { Dataset } from '../../runtime/data/dataset.ts';
import { predictBatches } from '../../runtime/data/loader.ts';
import type { Evaluation } from '../../runtime/evaluate.ts';
import { EVALUATE } from '../../runtime/evaluate.ts';
import { programOf } from '../../runtime/feeds.ts';
import { train } from '../../runtime/train.ts';
import { describeProgress, openDropped } from './data.ts';
import { rgbaOf, scaled } from './image.ts';
import type { Confused, News, OnNews, Point, Training } from './messages.ts';
import { openRun, summaryOf } from './run.ts';
import type { Run } from './run.ts';
import { outcomeOf, PageError } from './trouble.ts';

let own: Dataset | undefined;
let run: Run | undefined;
let stop = new AbortController();

/** Milliseconds between two messages of steps, and between two of what is read. */
const PACE = 60;

const theRun = (): Run => {
  if (!run) throw new PageError('nothing is trained yet', 'Train the net first.');
  return run;
};

async function close(): Promise<void> {
  const last = run;
  run = undefined;
  await last?.session.dispose();
}

/** What `work` comes to, once all that it tells has been heard: outcomes go another way than news, and may be faster. */
async function heard<T>(onNews: OnNews, work: (tell: (news: News) => void) => Promise<T>): Promise<T> {
  let last: ReturnType<OnNews> = undefined;
  try {
    return await work((news) => {
      last = onNews(news);
    });
  } finally {
    await last;
  }
}

/** Trains the run until it is done or stopped. */
async function trainOn(current: Run, tell: (news: News) => void): Promise<boolean> {
  stop = new AbortController();
  const { model, session, runner, batches, dataset, opened, toPoint } = current;
  let points: Point[] = [];
  let told = 0;
  let trained = performance.now();
  const keep = {
    epoch: async () => undefined,
    checkpoint: async (checkpoint: Run['checkpoint']) => {
      if (!checkpoint) return;
      current.checkpoint = checkpoint;
      current.from = checkpoint.progress;
    },
  };
  let steps: News | undefined;
  /** Tells of the steps that have not been told of. */
  const flush = (): void => {
    if (steps) tell(steps);
    [steps, points, told] = [undefined, [], performance.now()];
  };
  for await (const event of train({ model, session, runner, batches, from: current.from, keep, classes: dataset.classes.length, signal: stop.signal })) {
    const now = performance.now();
    switch (event.event) {
      case 'step': {
        points.push(toPoint(event));
        trained = now;
        const { epoch, stepOfEpoch, score, imagesPerSecond } = event;
        steps = { kind: 'steps', points, epoch, stepOfEpoch, score, imagesPerSecond };
        if (now - told >= PACE) flush();
        break;
      }
      case 'evaluate':
        if (steps) flush();
        else if (now - told < PACE) break;
        tell({ kind: 'evaluate', done: event.done, total: event.total });
        told = now;
        break;
      case 'epoch': {
        const { event: _, ...metrics } = event;
        tell({ kind: 'epoch', metrics, evaluationSeconds: (now - trained) / 1000 });
        break;
      }
      case 'details':
        if (opened.canPredict) tell({ kind: 'confused', confused: confusedOf(event.evaluation, dataset) });
        break;
      case 'interrupted':
        flush();
        return false;
    }
  }
  return true;
}

/** So many of the surest mistakes are shown. */
const SHOWN = 12;

function confusedOf({ confusion, mistakes }: Evaluation, { test, shape }: Dataset): Confused {
  const size = imageSize(shape);
  return {
    confusion,
    mistakes: mistakes.slice(0, SHOWN).map(({ index, label, predicted, probability }) => ({ label, predicted, probability, pixels: rgbaOf(test.images.subarray(index * size, (index + 1) * size), shape) })),
  };
}

const training: Training = {
  bring: (files, onProgress) =>
    outcomeOf(async () => {
      let told = 0;
      const dataset = await openDropped(files, (progress) => {
        if (performance.now() - told < PACE) return;
        told = performance.now();
        onProgress(describeProgress(progress));
      });
      own = dataset;
      return summaryOf(dataset);
    }),

  train: (request, onNews) =>
    outcomeOf(() =>
      heard(onNews, async (tell) => {
        await close();
        run = await openRun(request, own, (text) => tell({ kind: 'phase', text }));
        tell({ kind: 'opened', opened: run.opened });
        return trainOn(run, tell);
      }),
    ),

  goOn: (onNews) => outcomeOf(() => heard(onNews, (tell) => trainOn(theRun(), tell))),

  stop: () => stop.abort(),

  predict: (file) =>
    outcomeOf(async () => {
      const { model, session, dataset, plan, opened } = theRun();
      if (!opened.canPredict) throw new PageError(`net ${opened.net} has no class scores`, 'Predicting needs a net with softmax_cross_entropy.');
      const image = await scaled(file, dataset.shape);
      for (const batch of predictBatches(dataset, [image], plan, programOf(model, EVALUATE).batch)) {
        const [probabilities = new Float64Array()] = await classify(model, session, batch);
        return [...probabilities].map((probability, i) => ({ label: dataset.classes[i] ?? `class ${i}`, probability })).sort((a, b) => b.probability - a.probability);
      }
      return [];
    }),

  weights: () =>
    outcomeOf(async () => {
      const { checkpoint, opened } = theRun();
      if (!checkpoint) throw new PageError('there are no weights to save yet', 'They are kept after each epoch, and where the training is stopped.');
      const bytes = new Uint8Array(encodeCheckpoint(checkpoint));
      return transfer({ name: `${opened.net}.safetensors`, bytes }, [bytes.buffer]);
    }),
};

expose(training);
