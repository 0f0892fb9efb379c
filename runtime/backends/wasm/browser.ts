// The WebAssembly engine of any page in a browser: one thread, the page's own, over memory that is not shared. Nothing is asked of the server that sends the page,
// so that it works from a file as well.

import { turn } from '../../turn.ts';
import type { Engine } from './engine.ts';

export const pageEngine: Engine = {
  threads: () => 1,
  mostThreads: 1,
  createMemory: (pages) => new WebAssembly.Memory({ initial: pages, maximum: pages }),
  compile: (code) => WebAssembly.compile(withOwnMemory(code)),
  async start([setup]) {
    if (!setup) throw new RangeError('a page has one thread');
    const { programs, memory } = setup;
    const instances = await Promise.all(programs.map(({ module, arena, buffer }) => WebAssembly.instantiate(module, { arena: { ...arena, memory }, buffer })));
    const runs = instances.map(({ exports }) => exports['run'] as (thread: number, threads: number, from: number, to: number) => void);
    return {
      async run(program, { from, to }) {
        runs[program]?.(0, 1, from, to);
        await turn();
      },
      end: async () => undefined,
    };
  },
};

const IMPORTS = 2;
const KIND = { function: 0, table: 1, memory: 2 } as const;
const SHARED = 2;

/** The module with its memory imported as not shared: one bit of the import section (WebAssembly 3.0, "Import Section" and "Limits"). Its threads would then not meet; there is one. */
export function withOwnMemory(code: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(code);
  let at = 8;
  const number = (): number => {
    for (let value = 0, scale = 1; ; scale *= 128) {
      const byte = bytes[at++] ?? 0;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  const name = (): void => {
    const length = number();
    at += length;
  };
  const limits = (): void => {
    const flags = number();
    number();
    if ((flags & 1) === 1) number();
  };
  while (at < bytes.length) {
    const section = bytes[at++];
    const end = number() + at;
    if (section === IMPORTS) {
      for (let left = number(); left > 0 && at < end; left--) {
        name();
        name();
        const kind = bytes[at++];
        if (kind === KIND.memory) {
          bytes[at] = (bytes[at] ?? 0) & ~SHARED;
          limits();
        } else if (kind === KIND.table) {
          at++;
          limits();
        } else if (kind === KIND.function) number();
        else at += 2;
      }
    }
    at = end;
  }
  return bytes;
}
