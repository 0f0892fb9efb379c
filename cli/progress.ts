// Shows a training run: a bar on a terminal, a line for each epoch elsewhere, JSON lines on standard output when asked for.

import cliProgress from 'cli-progress';
import type { EpochMetrics } from '../runtime/metrics.ts';
import type { TrainEvent } from '../runtime/train.ts';
import { colours, printJson, say, type Io } from './io.ts';
import { decimal, duration, percent } from './table.ts';

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

export const epochLine = (io: Io, { epoch, train, test, seconds, imagesPerSecond }: EpochMetrics, epochs: number): string => {
  const c = colours(io, io.stderr);
  return [
    c.bold(`epoch ${String(epoch).padStart(String(epochs).length)}/${epochs}`),
    `train loss ${decimal(train.loss)}${accuracy(train.accuracy)}`,
    `test loss ${decimal(test.loss)}${test.accuracy === null ? '' : `, ${c.green(percent(test.accuracy))}`}`,
    c.dim(`${duration(seconds)}, ${imagesPerSecond.toFixed(1)} images/s`),
  ].join('  ');
};

const accuracy = (share: number | null): string => (share === null ? '' : `, ${percent(share)}`);

/** JSON lines hold epochs only; steps are for the bar. */
export function createReporter(io: Io, options: ReportOptions): Reporter {
  const bar = io.stderr.isTTY === true && !options.quiet ? createBar(io, options) : undefined;
  return {
    event(event) {
      if (event.event === 'step') bar?.step(event);
      if (event.event === 'evaluate') bar?.note('evaluating');
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

function createBar(io: Io, { epochs, batch }: ReportOptions) {
  let bar: cliProgress.SingleBar | undefined;
  const payload = (event: StepEvent, note: string) => {
    const { stepOfEpoch, stepsPerEpoch, imagesPerSecond, score } = event;
    const left = ((stepsPerEpoch - stepOfEpoch) * batch) / imagesPerSecond;
    return {
      speed: imagesPerSecond.toFixed(1),
      scores: `loss ${decimal(score.loss)}${accuracy(score.accuracy)}`,
      note: note === '' ? `${duration(left)} left` : note,
    };
  };
  let last: StepEvent | undefined;
  const start = (event: StepEvent): cliProgress.SingleBar => {
    const made = new cliProgress.SingleBar(
      {
        format: `epoch ${event.epoch}/${epochs} {bar} {value}/{total}  {speed} images/s  {scores}  {note}`,
        stream: io.stderr as NodeJS.WriteStream,
        fps: 10,
        barsize: 24,
        hideCursor: true,
        clearOnComplete: true,
        stopOnComplete: false,
        gracefulExit: false,
        autopadding: true,
      },
      cliProgress.Presets.shades_classic,
    );
    made.start(event.stepsPerEpoch, event.stepOfEpoch, payload(event, ''));
    return made;
  };
  return {
    step(event: StepEvent): void {
      last = event;
      bar ??= start(event);
      bar.update(event.stepOfEpoch, payload(event, ''));
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
