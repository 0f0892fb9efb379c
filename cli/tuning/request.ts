// What a command asks of tuning, and how it shows what happens.

import cliProgress from 'cli-progress';
import { cacheDirectory } from '../../runtime/data/cache.ts';
import { debugLevel, say, widthOf, type Io } from '../io.ts';
import { barCells } from '../progress.ts';
import { counted, duration } from '../table.ts';
import type { Choice, Level } from './choices.ts';

export interface TuningRequest {
  /** `known` uses what was measured before and measures nothing. Without a level it is quick on a GPU, off on an adapter that the processor draws. */
  readonly level?: 'off' | 'known' | Level | undefined;
  /** The cache folder. */
  readonly folder: string;
  readonly show: Show;
}

export interface Show {
  readonly begin: (what: { readonly products: number; readonly variants: number; readonly adapter: string }) => void;
  readonly measured: (done: number) => void;
  readonly chosen: (product: string, choice: Choice) => void;
  readonly end: () => void;
  /** Why tuning, or keeping what it found, did not work. */
  readonly failed: (why: string) => void;
}

export function tuningRequest(io: Io, level: TuningRequest['level'], quiet: boolean): TuningRequest {
  return { level, folder: cacheDirectory(io.env), show: createShow(io, quiet) };
}

/** A bar on a terminal, lines elsewhere; with ZZ_DEBUG=2 the choices as well. */
function createShow(io: Io, quiet: boolean): Show {
  let bar: cliProgress.SingleBar | undefined;
  let began = 0;
  let products = 0;
  let others = 0;
  const note = (text: string): void => { if (!quiet) say(io, text); };
  return {
    begin({ products: count, variants, adapter }) {
      began = performance.now();
      products = count;
      note(`tuning ${counted(count, 'product')} for ${adapter}, once for these sizes …`);
      if (quiet || io.stderr.isTTY !== true) return;
      const stream = io.stderr as NodeJS.WriteStream;
      bar = new cliProgress.SingleBar({ format: 'tuning {bar} {value}/{total} shaders', stream, barsize: barCells(widthOf(io, io.stderr)), hideCursor: true, clearOnComplete: true, gracefulExit: false }, cliProgress.Presets.shades_classic);
      bar.start(variants, 0);
    },
    measured: (done) => bar?.update(done),
    chosen(product, { microseconds, usual, text }) {
      if (microseconds < usual) others++;
      if (debugLevel(io) >= 2) say(io, `${product}: ${text}, ${microseconds.toPrecision(3)} µs; usually ${usual.toPrecision(3)}`);
    },
    end() {
      bar?.stop();
      bar = undefined;
      if (began > 0) note(`tuned in ${duration((performance.now() - began) / 1000)}: ${others} of ${products} take other tiles than usual`);
    },
    failed(why) {
      bar?.stop();
      bar = undefined;
      say(io, `note: ${why}`);
    },
  };
}
