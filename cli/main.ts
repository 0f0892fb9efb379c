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

// A reader that has seen enough (`zz ir FILE | head`) is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 2));

const { stdin, stdout, stderr, env } = process;
const status = await main(process.argv.slice(2), { stdin, stdout, stderr, env, cwd: process.cwd(), onInterrupt });
process.exitCode = status;
// Devices may keep the event loop alive; what was written is flushed first.
stdout.write('', () => stderr.write('', () => process.exit(status)));
