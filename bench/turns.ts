// Participants that are measured in turn: programs of their own, each of which takes one measurement when a line comes on its standard input and prints its milliseconds.
// So all meet the same clock and the same neighbours.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Times } from './rows.ts';

export interface Participant {
  /** What it says of itself when it is ready. */
  readonly about: Readonly<Record<string, unknown>>;
  /** One measurement, in milliseconds. */
  readonly turn: () => Promise<number>;
  readonly end: () => void;
}

/** Starts a participant. Rejects where it ends before it is ready, or in the middle of a turn. */
export async function startParticipant(command: string, args: readonly string[]): Promise<Participant> {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise<never>((_, reject) => child.on('error', reject).on('close', (status) => reject(new Error(`${command} ${args.join(' ')} ended with status ${status}`))));
  ended.catch(() => undefined); // met by whoever waits for a line
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const next = async (): Promise<Record<string, unknown>> => {
    for (;;) {
      const { value, done } = (await Promise.race([lines.next(), ended])) as IteratorResult<string, undefined>;
      if (done === true) return ended;
      if (value.startsWith('{')) return JSON.parse(value) as Record<string, unknown>;
    }
  };
  return {
    about: await next(),
    turn: async () => {
      child.stdin.write('\n');
      return (await next())['ms'] as number;
    },
    end: () => child.stdin.end(),
  };
}

/** The other side: says what it is, then measures once for every line, and ends with the input. */
export async function takeTurns(about: Readonly<Record<string, unknown>>, measure: () => Promise<unknown>): Promise<void> {
  console.log(JSON.stringify(about));
  for await (const _ of createInterface(process.stdin)) {
    const began = performance.now();
    await measure();
    console.log(JSON.stringify({ ms: performance.now() - began }));
  }
}

export function timesOf(samples: readonly number[]): Times {
  const sorted = samples.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.round(share * (sorted.length - 1))] ?? NaN;
  return { median: at(0.5), low: at(0.25), high: at(0.75), fastest: at(0) };
}
