// zz lsp: the language server, over standard input and output.

import { existsSync, readdirSync, statSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';
import { Readable, Writable } from 'node:stream';
import { setImmediate, setTimeout } from 'node:timers/promises';
import type { Reader } from '../compiler/2-graph/imports.ts';
import { diagnostic, type Diagnostic } from '../compiler/diagnostics.ts';
import type { AddCommand } from './command.ts';
import type { Io } from './io.ts';
import { diskReader } from './source.ts';
import { VERSION } from './version.ts';

export const lspCommand: AddCommand = (program, io, done) => {
  program
    .command('lsp')
    .summary('the language server, for editors')
    .description('Speaks the Language Server Protocol over standard input and output. Editors start it; docs/editor.md says how.')
    .option('--stdio', 'over standard input and output, which is the only way')
    .addHelpText('after', '\nExample:\n  zz lsp --stdio\n')
    .action(async () => done(await run(io)));
};

async function run(io: Io): Promise<number> {
  favourThisThread();
  const [{ serve }, { warmUp }] = await Promise.all([import('../editor/server/server.ts'), import('../editor/server/warmup.ts')]);
  const input = io.stdin instanceof Readable ? io.stdin : Readable.from(io.stdin);
  const output = new Writable({
    write(chunk: Buffer | string, _, written) {
      io.stdout.write(chunk.toString());
      written();
    },
  });
  const disk = await diskReader(io);
  // A pipe would keep the server waiting.
  const read: Reader['read'] = (file) => (existsSync(file) && !statSync(file).isFile() ? unreadable(file) : disk.read(file));
  let serving = true;
  // Without it answers come all the same.
  const begun = (): void => void warmUp(whenQuiet(input, () => serving)).catch(() => undefined);
  await warmUp(() => Promise.resolve(true), ROUNDS_BEFORE).catch(() => undefined);
  return serve({ input, output, disk: { ...disk, read }, version: VERSION, begun }).finally(() => { serving = false; });
}

/** What the server asks itself before it listens, in a tenth of a second: all code has run then, and the first answers are not the slowest. */
const ROUNDS_BEFORE = 3;

/** Milliseconds without a word from the client before the server warms itself up: those who ask need the time for themselves. */
const QUIET = 100;

/** A turn after the other, each when nothing has been heard for a while; refused when they are `wanted` no longer. */
function whenQuiet(input: Readable, wanted: () => boolean): () => Promise<boolean> {
  let heard = performance.now();
  input.on('data', () => { heard = performance.now(); });
  const rest = (): number => heard + QUIET - performance.now();
  return async () => {
    await setImmediate();
    while (wanted() && rest() > 0) await setTimeout(rest(), undefined, { ref: false });
    return wanted();
  };
}

/** How much later than this thread the engine's own threads run; 20 steps are all that there are. */
const LATER = 5;

/**
 * Lets the engine's threads, which compile and collect beside this one, give way to it: where cores are few, answers would wait for them, 30 ms at times.
 * Linux alone has priorities for threads (setpriority(2)); elsewhere nothing changes.
 */
function favourThisThread(): void {
  const threads = existsSync('/proc/self/task') ? readdirSync('/proc/self/task').map(Number) : [];
  for (const thread of threads.filter((id) => id !== process.pid)) {
    try {
      setPriority(thread, Math.min(getPriority() + LATER, 19));
    } catch {
      // It has ended meanwhile.
    }
  }
}

const unreadable = (file: string): Diagnostic => diagnostic('ZZ1008', { file, line: 1, column: 1, span: { start: 0, end: 0 } }, `${file} is no file`);
