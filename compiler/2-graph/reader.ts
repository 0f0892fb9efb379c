// Reads one line of the text form token by token; every refusal names the column.

import { MAX_NESTING } from './fields.ts';

/** A text that is no graph, with the place. Lines and columns count from 1. */
export class GraphTextError extends Error {
  readonly line: number;
  readonly column: number;

  constructor(message: string, line: number, column: number) {
    super(`line ${line}, column ${column}: ${message}`);
    this.name = 'GraphTextError';
    this.line = line;
    this.column = column;
  }
}

export interface Reader {
  /** Throws: something else was expected here. */
  fail(expected: string): never;
  /** Throws: what stands before here cannot be. */
  stop(message: string): never;
  /** Whether only blanks are left. */
  done(): boolean;
  /** Whether this comes next; reads nothing. */
  peek(literal: string): boolean;
  /** Reads what a sticky pattern matches here, if it does. */
  take(pattern: RegExp): string | undefined;
  expect(...literals: readonly string[]): void;
  /** Reads a word that is a key of `choices`. */
  choice<T>(expected: string, choices: Readonly<Record<string, T>>): T;
  /** A plain word or a quoted text. */
  text(): string;
  quoted(): string | undefined;
  /** A `%` and an id. */
  id(): string;
  natural(): number;
  integer(): number;
  number(): number;
  /** Items between two brackets, with commas. */
  list<T>(open: string, close: string, item: () => T): T[];
  /** Reads one level deeper; refuses where no sensible text goes. */
  nested<T>(read: () => T): T;
}

const MAX_LINE = 1 << 20;
const SPECIAL: Readonly<Record<string, number>> = { inf: Infinity, '-inf': -Infinity, nan: NaN };

export function createReader(line: string, lineNumber: number): Reader {
  let at = 0;
  let depth = 0;
  const stop = (message: string): never => {
    throw new GraphTextError(message, lineNumber, at + 1);
  };
  const skip = (): void => {
    while (line[at] === ' ' || line[at] === '\t') at++;
  };
  const fail = (expected: string): never => {
    skip();
    const found = /[\w.]+|\S/y;
    found.lastIndex = at;
    return stop(`expected ${expected}, found ${found.exec(line)?.[0].slice(0, 40) ?? 'the end of the line'}`);
  };
  const take = (pattern: RegExp): string | undefined => {
    skip();
    pattern.lastIndex = at;
    const found = pattern.exec(line)?.[0];
    at += found?.length ?? 0;
    return found;
  };
  const peek = (literal: string): boolean => {
    skip();
    return line.startsWith(literal, at);
  };
  const expect = (...literals: readonly string[]): void => {
    for (const literal of literals) {
      if (!peek(literal)) fail(literal);
      at += literal.length;
    }
  };
  const quoted = (): string | undefined => {
    if (!peek('"')) return undefined;
    const literal = take(/"[^"\\]*(?:\\.[^"\\]*)*"/y) ?? stop('this text has no closing quote');
    try {
      return JSON.parse(literal) as string;
    } catch {
      at -= literal.length;
      return stop('this text has an escape that JSON does not know');
    }
  };
  const reading = (pattern: RegExp, expected: string) => (): string => take(pattern) ?? fail(expected);
  const digits = reading(/\d+/y, 'a whole number');
  const wholeNumber = reading(/-?\d+(?![\w.])/y, 'a whole number');
  const numeral = reading(/-?inf\b|nan\b|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?/y, 'a number');
  const word = /[A-Za-z_][\w.]*/y;

  if (line.length > MAX_LINE) stop(`a line has at most ${MAX_LINE} characters`);
  return {
    fail,
    stop,
    take,
    peek,
    expect,
    quoted,
    done: () => {
      skip();
      return at === line.length;
    },
    choice: (expected, choices) => {
      const start = at;
      const found = take(word);
      if (found !== undefined && Object.hasOwn(choices, found)) return choices[found] as (typeof choices)[string];
      at = start;
      return fail(expected);
    },
    text: () => take(word) ?? quoted() ?? fail('a name'),
    id: () => {
      expect('%');
      return take(/[A-Za-z0-9_][A-Za-z0-9_.-]*/y) ?? fail('the id of a value');
    },
    natural: () => Number(digits()),
    integer: () => Number(wholeNumber()),
    number: () => {
      const found = numeral();
      return SPECIAL[found] ?? Number(found);
    },
    list: (open, close, item) => {
      expect(open);
      const items: ReturnType<typeof item>[] = [];
      if (!peek(close)) {
        do items.push(item());
        while (take(/,/y));
      }
      expect(close);
      return items;
    },
    nested: (read) => {
      if (++depth > MAX_NESTING) stop(`nested more than ${MAX_NESTING} deep`);
      const value = read();
      depth--;
      return value;
    },
  };
}
