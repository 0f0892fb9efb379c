// Runs the command line in this process, with its streams kept as text.

import { main } from '../../cli/program.ts';

export interface Ran {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Around {
  readonly cwd?: string;
  readonly env?: Record<string, string>;
  readonly stdin?: string | Uint8Array;
  /** Is given what interrupts the command, as Ctrl-C would. */
  readonly interrupts?: (interrupt: () => void) => void;
  readonly onStdout?: (text: string) => void;
}

export async function zz(argv: readonly string[], { cwd = process.cwd(), env = {}, stdin = '', interrupts, onStdout }: Around = {}): Promise<Ran> {
  const out = { stdout: '', stderr: '' };
  const status = await main(argv, {
    stdin: (async function* () {
      yield stdin;
    })(),
    stdout: { write: (text) => { out.stdout += text; onStdout?.(text); } },
    stderr: { write: (text) => { out.stderr += text; } },
    env: { NO_COLOR: '1', ...env },
    cwd,
    onInterrupt(stop) {
      interrupts?.(stop);
      return () => undefined;
    },
  });
  return { status, ...out };
}
