// Shows how far a download or import is: a bar on a terminal, one line for each phase elsewhere.

import cliProgress from 'cli-progress';
import type { OnProgress, Progress } from '../runtime/data/dataset.ts';
import { say, widthOf, type Io } from './io.ts';
import { barCells } from './progress.ts';

const WORDS: { readonly [P in Progress['phase']]: string } = { download: 'downloading', unpack: 'unpacking', import: 'importing images' };

export function createDataProgress(io: Io, quiet = false): { readonly update: OnProgress; readonly stop: () => void } {
  let phase: Progress['phase'] | undefined;
  let bar: cliProgress.SingleBar | undefined;
  const stop = (): void => {
    bar?.stop();
    bar = undefined;
  };
  const shown = ({ unit }: Progress, value: number): number => (unit === 'bytes' ? Math.round(value / 1e5) / 10 : value);
  const begin = (progress: Progress): void => {
    stop();
    phase = progress.phase;
    const words = WORDS[progress.phase];
    if (io.stderr.isTTY !== true || progress.total === undefined) return say(io, `${words} …`);
    const unit = progress.unit === 'bytes' ? 'MB' : 'images';
    const stream = io.stderr as NodeJS.WriteStream;
    bar = new cliProgress.SingleBar({ format: `${words} {bar} {value}/{total} ${unit}  {eta_formatted} left`, stream, barsize: barCells(widthOf(io, io.stderr)), hideCursor: true, clearOnComplete: true, gracefulExit: false }, cliProgress.Presets.shades_classic);
    bar.start(shown(progress, progress.total), shown(progress, progress.done));
  };
  return {
    update(progress) {
      if (quiet) return;
      if (phase !== progress.phase) begin(progress);
      bar?.update(shown(progress, progress.done));
    },
    stop,
  };
}
