#!/usr/bin/env node
// The executable: gives `zz` the process's streams and signals, and ends the process with its status.

import module from 'node:module';

// Node 22 and later keep compiled code between runs: what is imported from here on starts faster.
(module as { readonly enableCompileCache?: () => unknown }).enableCompileCache?.();
const { main } = await import('./program.ts');

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** After the first signal the default action is back, so a second one ends the process at once, even within a long step. */
function onInterrupt(stop: () => void): () => void {
  const undo = (): void => SIGNALS.forEach((signal) => process.off(signal, handle));
  const handle = (): void => {
    undo();
    stop();
  };
  SIGNALS.forEach((signal) => process.on(signal, handle));
  return undo;
}

// A reader that has seen enough (`zz ir FILE | head`) is no error. A result that is lost otherwise, as on a full disk, is one; a run goes on and is saved.
process.stdout.once('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  process.exitCode = 2;
  process.stderr.write(`error: standard output cannot be written: ${error.message}\n`);
}).on('error', () => undefined);
// Messages that nobody reads any more (`zz train 2>&1 | head`) end a command as Ctrl-C does: a run is saved.
process.stderr.once('error', () => process.kill(process.pid, 'SIGINT')).on('error', () => undefined);

const { stdin, stdout, stderr, env } = process;
const status = await main(process.argv.slice(2), { stdin, stdout, stderr, env, cwd: process.cwd(), onInterrupt });
process.exitCode ??= status;
// Devices may keep the event loop alive; what was written is flushed first, or its failure told.
stdout.write('', () => setImmediate(() => stderr.write('', () => process.exit())));
