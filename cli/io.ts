// What a command sees of the outside: streams, environment, working directory and interrupts. Tests give their own.

import { join, resolve } from 'node:path';
import pc from 'picocolors';
import { nearest } from '../compiler/diagnostics.ts';

export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  /** Of a terminal. */
  readonly columns?: number;
}

export interface Io {
  readonly stdin: AsyncIterable<Uint8Array | string>;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Calls `stop` at the first Ctrl-C or termination request; a second one ends the process at once. Returns how to undo it. */
  readonly onInterrupt: (stop: () => void) => () => void;
}

export const EXIT = { good: 0, user: 1, environment: 2, interrupted: 130 } as const;

/** What the user asked for cannot be: exit status 1. */
export class UsageError extends Error {
  readonly advice: string;
  constructor(message: string, advice = '') {
    super(message);
    this.name = 'UsageError';
    this.advice = advice;
  }
}

/** What was asked for cannot be had on this machine: exit status 2. */
export class EnvironmentError extends Error {
  readonly advice: string;
  constructor(message: string, advice = '') {
    super(message);
    this.name = 'EnvironmentError';
    this.advice = advice;
  }
}

export const at = (io: Io, path: string): string => resolve(io.cwd, path);

/** A path as a message shows it: relative to the working directory if it is below it. */
export const shown = (io: Io, path: string): string => (path.startsWith(join(io.cwd, '/')) ? path.slice(join(io.cwd, '/').length) : path);

/** `Did you mean wasm? ` where one of the names is near, for the advice of an error. */
export function didYouMean(name: string, names: readonly string[]): string {
  const near = nearest(name, names);
  return near === undefined ? '' : `Did you mean ${near}? `;
}

/** Writes a result, with a line end after the last line. */
export const print = (io: Io, text: string): void => void io.stdout.write(text === '' || text.endsWith('\n') ? text : `${text}\n`);

/** A message for people. */
export const say = (io: Io, text: string): void => void io.stderr.write(`${text}\n`);

export const printJson = (io: Io, value: unknown): void => print(io, JSON.stringify(value));

/** Colours for an output, or none: https://no-color.org, and FORCE_COLOR. */
export function colours(io: Io, output: Output): ReturnType<typeof pc.createColors> {
  const { NO_COLOR, FORCE_COLOR, TERM } = io.env;
  const forced = FORCE_COLOR !== undefined && !['', '0', 'false'].includes(FORCE_COLOR);
  return pc.createColors(!NO_COLOR && FORCE_COLOR !== '0' && (forced || (output.isTTY === true && TERM !== 'dumb')));
}

/** Columns that a table or a help text may take: a terminal's, otherwise what COLUMNS says, or a usual number. */
export const widthOf = (io: Io, output: Output, usual = 100): number => output.columns ?? (Math.max(0, Math.trunc(Number(io.env['COLUMNS']))) || usual);

/** Columns at which sentences and tables are broken: a terminal's. What goes elsewhere stays whole. */
export const lineWidth = (output: Output): number => output.columns ?? Infinity;

/** ZZ_DEBUG=1..4; 0 where it is not set. */
export const debugLevel = (io: Io): number => Math.min(4, Math.max(0, Math.trunc(Number(io.env['ZZ_DEBUG'] ?? 0)) || 0));
