// The kinds of arguments that functions of the language take, and how a call's arguments are bound to a function's parameters.

import type { Arg, Call, Expr, Ident, Value as Written } from '../../1-syntax/ast.ts';
import type { Code, Loc } from '../../diagnostics.ts';
import { nearest } from '../../diagnostics.ts';
import type { ValueId } from '../graph.ts';
import type { Init } from '../ops.ts';
import { showShape } from '../types.ts';
import type { Context, Given } from './context.ts';
import { fail, shapeOf, toTensor } from './context.ts';
import { isHole, tensor } from './scope.ts';
import type { Value } from './scope.ts';

export interface Param<T> {
  /** For messages and docs: `a whole number from 1`. */
  readonly takes: string;
  /** What is taken where the call gives nothing; without it the argument must be given. */
  readonly fallback?: { readonly value: T; readonly shown: string };
  /** A value of the net. */
  readonly tensor?: true;
  /** Takes all arguments given by place that are left; `read` gives a list of one. */
  readonly rest?: true;
  /** Words that it takes as they stand: here they name no values. */
  readonly words?: readonly string[];
  /** Calls that it takes besides those of functions: `normal(0.05)`, `adam(lr: 1e-3)`. */
  readonly calls?: Callables;
  /** Reads one argument. Nothing where it has been reported, or is poisoned. */
  readonly read: (c: Context, given: Given) => T | undefined;
}

export type Params = Readonly<Record<string, Param<unknown>>>;
/** What can be called, by name, each with a line of documentation. */
export type Callables = Readonly<Record<string, { readonly summary: string; readonly params: Params }>>;
export type Args<P extends Params> = { readonly [N in keyof P]: P[N] extends Param<infer T> ? T : never };

const EXPRESSIONS: ReadonlySet<string> = new Set(['number', 'name', 'index', 'call', 'negate', 'binary', 'flow']);
export const isExpr = (value: Given): value is Expr => EXPRESSIONS.has(value.kind);

/** What was found, in words. */
function describe(c: Context, given: Given | Value): string {
  if ('id' in given) return `a tensor ${showShape(shapeOf(c, given.id))}`;
  if (given.kind === 'piped') return describe(c, given.value);
  const words = { string: 'a string', boolean: 'true or false', range: 'a range', list: 'a list', number: 'a number', parts: 'several parts', call: 'a call', name: 'a name' };
  const shown = given.kind === 'number' && 'text' in given ? given.text : given.kind === 'number' ? String(given.value) : undefined;
  return shown ?? (given.kind === 'name' ? `the word ${given.name}` : (words[given.kind as keyof typeof words] ?? 'an expression'));
}

function wrong(c: Context, given: Given, takes: string, found: string = describe(c, given), suggestion?: string): undefined {
  fail(c, 'ZZ2006', given.loc, `expected ${takes}, found ${found}`, { expected: takes, found, ...(suggestion !== undefined && { suggestion }) });
}

const evaluated = (c: Context, given: Given): Value | undefined => (given.kind === 'piped' ? given.value : isExpr(given) ? c.language.evaluate(c, given) : undefined);

/** The number that an argument gives, or nothing after a report. */
function readNumber(c: Context, given: Given, takes: string): number | undefined {
  const value = evaluated(c, given);
  if (value?.kind === 'number') return value.value;
  if (value?.kind === 'poison') return undefined;
  return wrong(c, given, takes, value ? describe(c, value) : describe(c, given));
}

export interface Bounds {
  readonly min?: number;
  readonly max?: number;
  /** Limits that are themselves left out. */
  readonly above?: number;
  readonly below?: number;
}

const showBounds = ({ min, max, above, below }: Bounds): string => {
  const parts = [min !== undefined && `from ${min}`, above !== undefined && `above ${above}`, max !== undefined && `to ${max}`, below !== undefined && `below ${below}`];
  return parts.filter(Boolean).map((part) => ` ${part}`).join('');
};

const inBounds = (value: number, { min = -Infinity, max = Infinity, above = -Infinity, below = Infinity }: Bounds): boolean =>
  value >= min && value <= max && value > above && value < below && Number.isFinite(value);

function bounded(noun: string, bounds: Bounds, whole: boolean, takes = `${noun}${showBounds(bounds)}`): Param<number> {
  return {
    takes,
    read(c, given) {
      const value = readNumber(c, given, takes);
      if (value === undefined) return undefined;
      if (whole && !Number.isSafeInteger(value)) return wrong(c, given, takes, String(value));
      if (inBounds(value, bounds)) return value;
      // What is above a limit that no list of arguments need mention is told of it.
      const expected = noun !== '' && value > (bounds.max ?? Infinity) ? `${noun}${showBounds(bounds)}` : takes;
      fail(c, 'ZZ2007', given.loc, `expected ${expected}, found ${value}`, { expected, found: String(value) });
      return undefined;
    },
  };
}

/** A parameter that may be left out. */
export const or = <T, const D>(param: Param<T>, value: D, shown = String(value)): Param<T | D> => ({ ...param, fallback: { value, shown } });

export const int = (bounds: Bounds = {}): Param<number> => bounded('a whole number', { max: 2 ** 31 - 1, ...bounds }, true, `a whole number${showBounds(bounds)}`);
export const number = (bounds: Bounds = {}): Param<number> => bounded('a number', bounds, false);

export const bool: Param<boolean> = {
  takes: 'true or false',
  words: ['true', 'false'],
  read: (c, given) => (given.kind === 'boolean' ? given.value : wrong(c, given, 'true or false')),
};

/** One of a few words. */
export const word = <const W extends string>(...words: readonly W[]): Param<W> => {
  const takes = words.join(' or ');
  return {
    takes,
    words,
    read(c, given) {
      const found = given.kind === 'name' ? words.find((candidate) => candidate === given.name) : undefined;
      return found ?? wrong(c, given, takes, describe(c, given), given.kind === 'name' ? nearest(given.name, words) : undefined);
    },
  };
};

export const text: Param<string> = {
  takes: 'a word or a string',
  read: (c, given) => (given.kind === 'name' ? given.name : given.kind === 'string' ? given.value : wrong(c, given, 'a word or a string')),
};

/** A tensor; a number becomes a scalar. */
export const value: Param<ValueId> = {
  takes: 'a value',
  tensor: true,
  read(c, given) {
    const found = evaluated(c, given);
    return found ? toTensor(c, found, given.loc) : wrong(c, given, 'a value');
  },
};

export const values: Param<readonly ValueId[]> = {
  takes: 'values',
  tensor: true,
  rest: true,
  read(c, given) {
    const id = value.read(c, given);
    return id === undefined ? undefined : [id];
  },
};

/** Whole numbers in brackets. */
export function ints(bounds: Bounds): Param<readonly number[]> {
  const takes = `a list of whole numbers${showBounds(bounds)}`;
  const item = int(bounds);
  return {
    takes,
    read(c, given) {
      if (given.kind !== 'list') return wrong(c, given, takes);
      const items = given.items.map((each) => item.read(c, each));
      return items.every((each) => each !== undefined) ? items : undefined;
    },
  };
}

const AXIS = 'an axis: a whole number or the word channel';
const plainAxis = bounded('', { min: -64, max: 63 }, true, AXIS);

/** Axes as they are written: `channel` is the last, negative ones count from the end. */
export const axis: Param<number> = {
  takes: AXIS,
  words: ['channel'],
  read: (c, given) => (given.kind === 'name' && given.name === 'channel' ? -1 : plainAxis.read(c, given)),
};

export const axes: Param<readonly number[]> = {
  takes: 'an axis, a list of axes or the word channel',
  words: ['channel'],
  read(c, given) {
    const found = (given.kind === 'list' ? given.items : [given]).map((item) => axis.read(c, item));
    return found.every((each) => each !== undefined) ? found : undefined;
  },
};

/** A number, or a range that one is drawn from. */
export const range = (bounds: Bounds): Param<readonly [low: number, high: number]> => {
  const item = number(bounds);
  const takes = `${item.takes} or a range of them`;
  return {
    takes,
    read(c, given) {
      if (given.kind !== 'range') {
        const single = item.read(c, given);
        return single === undefined ? undefined : [single, single];
      }
      const [low, high] = [item.read(c, given.low), item.read(c, given.high)];
      if (low === undefined || high === undefined) return undefined;
      if (low <= high) return [low, high];
      fail(c, 'ZZ2007', given.loc, `the range runs from ${low} down to ${high}`);
      return undefined;
    },
  };
};

export interface Initial {
  readonly init: Init;
  /** The standard deviation, for the normal ones. */
  readonly std?: number;
}

const INIT_WORDS = ['he', 'glorot', 'orthogonal', 'zeros', 'ones'] as const;
const deviation = { std: number({ above: 0 }) };
const INIT_CALLS = {
  normal: { params: deviation, summary: 'Normal numbers of this standard deviation.' },
  truncated_normal: { params: deviation, summary: 'Normal numbers of this standard deviation, those beyond two of it drawn again.' },
};
const isInitCall = (name: string): name is keyof typeof INIT_CALLS => Object.hasOwn(INIT_CALLS, name);

/** How weights start: `he`, `glorot`, `orthogonal`, `zeros`, `ones`, `normal(std)` or `truncated_normal(std)`. */
export const init: Param<Initial> = {
  takes: 'he, glorot, orthogonal, zeros, ones, normal(std) or truncated_normal(std)',
  words: INIT_WORDS,
  calls: INIT_CALLS,
  read(c, given) {
    if (given.kind === 'call' && isInitCall(given.callee.name)) {
      const args = bind(c, given, deviation);
      return args && { init: given.callee.name, std: args.std };
    }
    const name = given.kind === 'name' ? given.name : given.kind === 'call' ? given.callee.name : '';
    if (isInitCall(name)) {
      fail(c, 'ZZ2005', given.loc, `'${name}' needs its standard deviation: ${name}(0.05)`);
      return undefined;
    }
    const found = given.kind === 'name' ? INIT_WORDS.find((candidate) => candidate === name) : undefined;
    return found ? { init: found } : wrong(c, given, this.takes, describe(c, given), nearest(name, [...INIT_WORDS, ...Object.keys(INIT_CALLS)]));
  },
};

/** The argument as it was written, for functions that read it in their own way. */
export const written: Param<Written> = {
  takes: 'a view operation',
  read: (c, given) => (given.kind === 'piped' ? wrong(c, given, 'a view operation') : given),
};

/** The shape of a call: what is called, with what. */
export interface Invocation {
  readonly callee: Ident;
  readonly args: readonly Arg[];
  readonly loc: Loc;
}

/**
 * Binds a call's arguments, by place (`piped` first) and by name, to parameters. Reports every argument that is unknown, missing, given twice,
 * of the wrong kind or out of range; then, or where one is poisoned, there is no result.
 */
export function bind<P extends Params>(c: Context, call: Invocation | Call, params: P, piped?: Given): Args<P> | undefined {
  const { callee } = call;
  const names = Object.keys(params);
  const rest = names.findIndex((name) => params[name]?.rest);
  /** By the place of the parameter; `more` is what the one that takes the rest gets after its first. */
  const given: (Given | undefined)[] = names.map(() => undefined);
  const more: Given[] = [];
  let sound = true;
  const refuse = (code: Code, loc: Loc, message: string, also?: Parameters<typeof fail>[4]): void => {
    fail(c, code, loc, message, also);
    sound = false;
  };
  let next = 0;
  const place = (item: Given): void => {
    if (next === rest && given[rest]) more.push(item);
    else if (next < names.length) given[next] = item;
    else refuse('ZZ2004', item.loc, `'${callee.name}' takes ${count(names.length, 'argument')}: ${names.join(', ')}`);
    if (next !== rest) next++;
  };
  if (piped) place(piped);
  for (const { name, value: item } of call.args) if (!name) place(item);
  for (const { name, value: item } of call.args) {
    if (!name) continue;
    const at = names.indexOf(name.name);
    const first = given[at];
    if (at < 0) refuse('ZZ2004', name.loc, `'${callee.name}' has no argument '${name.name}'; it has ${names.join(', ')}`, suggestion(name.name, names));
    else if (first) refuse('ZZ2008', name.loc, `'${name.name}' is given twice`, { related: [first, ...(at === rest ? more : [])].map(({ loc }) => ({ message: 'given here', loc })) });
    else given[at] = item;
  }
  const read = (item: Given, param: Param<unknown>): unknown => {
    const found = item.kind === 'name' && isHole(item.name) ? undefined : param.read(c, item);
    if (found === undefined) sound = false;
    return found;
  };
  // Each parameter is replaced by what it is given. Made by names alone it would lose an input called __proto__.
  const args: Record<string, unknown> = { ...params };
  names.forEach((name, i) => {
    const param = params[name] as Param<unknown>;
    const item = given[i];
    if (!item && !param.fallback) refuse('ZZ2005', callee.loc, `'${callee.name}' needs ${name}: ${param.takes}`);
    args[name] = !item ? param.fallback?.value : param.rest ? [item, ...more].flatMap((each) => read(each, param)) : read(item, param);
  });
  return sound ? (args as Args<P>) : undefined;
}

/** The tensors among the arguments that were bound to parameters. */
export const tensorsAmong = (params: Params, args: Readonly<Record<string, unknown>>): Value[] =>
  Object.entries(params).flatMap(([name, param]) => (param.tensor && args[name] !== undefined ? [args[name] as ValueId | readonly ValueId[]].flat().map(tensor) : []));

export const count = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? '' : 's'}`;

/** The nearest known name, as part of a diagnostic. */
export function suggestion(name: string, candidates: readonly string[]): { suggestion?: string } {
  const found = nearest(name, candidates);
  return found === undefined ? {} : { suggestion: found };
}
