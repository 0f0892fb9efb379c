// Shows a training run: a bar on a terminal, a line for each epoch elsewhere, JSON lines on standard output when asked for.

import cliProgress from 'cli-progress';
import type { EpochMetrics } from '../runtime/metrics.ts';
import type { TrainEvent } from '../runtime/train.ts';
import { colours, printJson, say, widthOf, type Io } from './io.ts';
import { counted, decimal, duration, percent } from './table.ts';

export interface Reporter {
  readonly event: (event: TrainEvent) => void;
  /** Takes the bar off the screen. */
  readonly stop: () => void;
}

export interface ReportOptions {
  readonly epochs: number;
  readonly batch: number;
  readonly json: boolean;
  readonly quiet: boolean;
}

type StepEvent = Extract<TrainEvent, { event: 'step' }>;

const epochLine = (io: Io, { epoch, train, test, seconds, imagesPerSecond, scaling }: EpochMetrics, epochs: number): string => {
  const c = colours(io, io.stderr);
  return [
    c.bold(`epoch ${String(epoch).padStart(String(epochs).length)}/${epochs}`),
    `train loss ${decimal(train.loss)}${accuracy(train.accuracy)}`,
    `test loss ${decimal(test.loss)}${test.accuracy === null ? '' : `, ${c.green(percent(test.accuracy))}`}`,
    ...(scaling && scaling.skipped > 0 ? [`${counted(scaling.skipped, 'step')} left out, loss scale ${scaling.scale}`] : []),
    ...(widthOf(io, io.stderr) < 84 ? [] : [c.dim(`${duration(seconds)}, ${imagesPerSecond.toFixed(1)} images/s`)]),
  ].join('  ');
};

const accuracy = (share: number | null): string => (share === null ? '' : `, ${percent(share)}`);

/** JSON lines hold epochs only; steps are for the bar. */
export function createReporter(io: Io, options: ReportOptions): Reporter {
  const bar = io.stderr.isTTY === true && !options.quiet ? createBar(io, options) : undefined;
  return {
    event(event) {
      if (event.event === 'step') bar?.step(event);
      if (event.event === 'evaluate') bar?.note(`evaluating ${event.done}/${event.total}`);
      if (event.event === 'epoch') {
        bar?.stop();
        if (options.json) printJson(io, event);
        if (!options.quiet) say(io, epochLine(io, event, options.epochs));
      }
      if (event.event === 'interrupted') bar?.stop();
    },
    stop: () => bar?.stop(),
  };
}

/** Cells of the bar itself. */
export const barCells = (columns: number): number => (columns >= 96 ? 24 : columns >= 76 ? 10 : 6);

interface Parts {
  readonly head: string;
  readonly speed: string;
  readonly scores: string;
  readonly note: string;
}

/** What stands beside a bar, in so many columns: the least useful parts go first. */
function fit({ head, speed, scores, note }: Parts, room: number): string {
  const tries = [[head, speed, scores, note], [head, scores, note], [head, note]].map((parts) => parts.join('  '));
  return tries.find((text) => text.length <= room) ?? head;
}

const makeBar = (io: Io, format: string, barsize: number): cliProgress.SingleBar =>
  new cliProgress.SingleBar(
    { format, stream: io.stderr as NodeJS.WriteStream, fps: 10, barsize, hideCursor: true, clearOnComplete: true, stopOnComplete: false, gracefulExit: false },
    cliProgress.Presets.shades_classic,
  );

function createBar(io: Io, { epochs, batch }: ReportOptions) {
  let bar: cliProgress.SingleBar | undefined;
  let last: StepEvent | undefined;
  const columns = widthOf(io, io.stderr);
  const barsize = barCells(columns);
  const payload = (event: StepEvent, note?: string) => {
    const { stepOfEpoch, stepsPerEpoch, imagesPerSecond, score } = event;
    const left = ((stepsPerEpoch - stepOfEpoch) * batch) / imagesPerSecond;
    const parts: Parts = { head: `${stepOfEpoch}/${stepsPerEpoch}`, speed: `${imagesPerSecond.toFixed(1)} images/s`, scores: `loss ${decimal(score.loss)}${accuracy(score.accuracy)}`, note: note ?? `${duration(left)} left` };
    return { text: fit(parts, columns - `epoch ${event.epoch}/${epochs}  `.length - barsize) };
  };
  const start = (event: StepEvent): cliProgress.SingleBar => {
    const made = makeBar(io, `epoch ${event.epoch}/${epochs} {bar} {text}`, barsize);
    made.start(event.stepsPerEpoch, event.stepOfEpoch, payload(event));
    return made;
  };
  return {
    step(event: StepEvent): void {
      last = event;
      bar ??= start(event);
      bar.update(event.stepOfEpoch, payload(event));
    },
    note(text: string): void {
      if (last) bar?.update(last.stepOfEpoch, payload(last, text));
    },
    stop(): void {
      bar?.stop();
      bar = undefined;
    },
  };
}

/** A bar over the test split, on a terminal. */
export function createEvaluationBar(io: Io, total: number, quiet: boolean): { readonly update: (done: number) => void; readonly stop: () => void } {
  const bar = io.stderr.isTTY === true && !quiet ? makeBar(io, 'evaluating {bar} {value}/{total}', barCells(widthOf(io, io.stderr))) : undefined;
  bar?.start(total, 0);
  return { update: (done) => bar?.update(done), stop: () => bar?.stop() };
}
