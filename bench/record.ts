// Results of a benchmark as a JSON file that grows row by row: what was run, on what, when, and one row for each thing measured. A run that is broken off goes on where it was.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import { dirname } from 'node:path';
import { findAdapter } from '../runtime/backends/dawn.ts';
import { writeWhole } from '../runtime/files.ts';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  /** The GPU that WebGPU finds, or null; one that the processor draws is none. */
  readonly gpu: string | null;
  readonly driver: string | null;
}

export interface Head {
  readonly benchmark: string;
  /** What to type to run it again. */
  readonly command: string;
  readonly machine: Machine;
  /** Of Node, this project, and whatever it is compared with. */
  readonly versions: Readonly<Record<string, string>>;
  /** What all rows have in common. */
  readonly options: Readonly<Record<string, unknown>>;
}

export interface Recorded<Row> extends Head {
  readonly date: string;
  readonly rows: readonly Row[];
}

export interface Recording<Row> {
  readonly rows: readonly Row[];
  /** Adds a row, in the place of one of the same key, and writes the file. */
  readonly add: (row: Row) => Promise<void>;
}

/**
 * Opens a record; without a file the rows are only kept. Rows of an earlier run stay if that was of the same machine, versions and options.
 * Numbers are written with five digits.
 */
export async function openRecord<Row>(file: string | undefined, head: Head, keyOf: (row: Row) => string): Promise<Recording<Row>> {
  const date = new Date().toISOString().slice(0, 10);
  const same = ({ machine, versions, options }: Head): string => JSON.stringify({ machine, versions, options });
  const before = file === undefined ? undefined : readRecord<Row>(file);
  const rows = before && same(before) === same(head) ? [...before.rows] : [];
  if (file !== undefined) await mkdir(dirname(file), { recursive: true });
  return {
    rows,
    add: async (row) => {
      const at = rows.findIndex((each) => keyOf(each) === keyOf(row));
      rows.splice(at < 0 ? rows.length : at, at < 0 ? 0 : 1, row);
      if (file !== undefined) await writeWhole(file, recordText({ ...head, date, rows }));
    },
  };
}

const recordText = (record: Recorded<unknown>): string => `${JSON.stringify(record, (_, value: unknown) => (typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(5)) : value), 2)}\n`;

/** The record in a file, if there is a whole one. */
export function readRecord<Row>(file: string): Recorded<Row> | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Recorded<Row>;
  } catch {
    return undefined;
  }
}

export async function thisMachine(): Promise<Machine> {
  const adapter = await findAdapter().catch(() => undefined);
  return { cpu: cpus()[0]?.model.trim() ?? 'unknown', cores: availableParallelism(), gpu: adapter && !adapter.software ? adapter.name : null, driver: said('nvidia-smi', '--query-gpu=driver_version', '--format=csv,noheader') };
}

/** Node's version, and this project's with its commit where there is one; `+` marks changes that are not committed. */
export function ownVersions(): { readonly node: string; readonly zigzag: string } {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
  const commit = said('git', 'describe', '--always', '--dirty=+', '--exclude=*');
  return { node: process.version, zigzag: commit === null ? version : `${version} ${commit}` };
}

/** What was typed, without where the results go. */
export function commandLine(name: string): string {
  const args = process.argv.slice(2);
  const at = args.indexOf('--json');
  return ['node scripts/bench.js', name, ...(at < 0 ? args : args.toSpliced(at, 2))].join(' ');
}

/** Milliseconds until the time that ZZ_BENCH_UNTIL gives, in seconds since 1970, at least one; undefined where there is no end. */
export function timeLeft(): number | undefined {
  const until = process.env['ZZ_BENCH_UNTIL'];
  return until === undefined ? undefined : Math.max(1, 1000 * Number(until) - Date.now());
}

/** Whether the time is up: what is left to measure waits for the next run. */
export const isTimeUp = (): boolean => (timeLeft() ?? Infinity) <= 1;

/** The first line that a program prints, or null where it does not run. */
function said(program: string, ...args: string[]): string | null {
  try {
    return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).split('\n')[0]?.trim() ?? null;
  } catch {
    return null;
  }
}
