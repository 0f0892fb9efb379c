// Python as text: expressions that know how tightly they bind, and names that Python and the file leave free.

import type { ValueId } from '../../2-graph/graph.ts';

/** How tightly an expression binds; an operand that binds less is put in parentheses. */
export const LEVEL = { comparison: 1, sum: 2, product: 3, sign: 4, power: 5, atom: 6 } as const;
export type Level = (typeof LEVEL)[keyof typeof LEVEL];

export interface Py {
  readonly text: string;
  readonly level: Level;
  /** The variables in it, by the values that they hold; one for each place where they stand. */
  readonly refs: readonly ValueId[];
  /** Whether a layer or something as large is in it, so that it makes a line of its own. */
  readonly heavy: boolean;
}

export const atom = (text: string, ...from: readonly Py[]): Py => ({ text, level: LEVEL.atom, refs: from.flatMap(({ refs }) => refs), heavy: from.some(({ heavy }) => heavy) });

export const variable = (text: string, id: ValueId): Py => ({ text, level: LEVEL.atom, refs: [id], heavy: false });

const within = (py: Py, level: Level): string => (py.level < level ? `(${py.text})` : py.text);

/** `f(a, b, more)`; arguments that are no expressions are written as they are. */
export const call = (f: string, args: readonly Py[], ...more: readonly string[]): Py => atom(`${f}(${[...args.map(({ text }) => text), ...more].join(', ')})`, ...args);

/** `x.f(arguments)` */
export const method = (x: Py, f: string, ...args: readonly string[]): Py => atom(`${within(x, LEVEL.atom)}.${f}(${args.join(', ')})`, x);

/** `x[index]` */
export const indexed = (x: Py, ...index: readonly string[]): Py => atom(`${within(x, LEVEL.atom)}[${index.join(', ')}]`, x);

export const unary = (sign: string, x: Py): Py => ({ ...atom(`${sign}${within(x, LEVEL.sign)}`, x), level: LEVEL.sign });

/** A left-associative operator. */
export const binary = (a: Py, operator: string, b: Py, level: Level): Py => ({ ...atom(`${within(a, level)} ${operator} ${within(b, (level + 1) as Level)}`, a, b), level });

export const power = (a: Py, exponent: number): Py => ({ ...atom(`${within(a, LEVEL.atom)} ** ${exponent}`, a), level: LEVEL.power });

export const heavy = (py: Py): Py => ({ ...py, heavy: true });

/** A number as Python writes it. */
export const number = (value: number): string => (Number.isNaN(value) ? 'float("nan")' : Number.isFinite(value) ? String(value) : value > 0 ? 'float("inf")' : '-float("inf")');

/** A text in double quotes. JSON's escapes are Python's as well. */
export const quoted = (text: string): string => JSON.stringify(text);

/** `(a, b)`, `(a,)` */
export const tuple = (items: readonly (string | number)[]): string => (items.length === 1 ? `(${items[0]},)` : `(${items.join(', ')})`);

export const indent = (lines: readonly string[], by = 1): string[] => lines.map((line) => (line === '' ? '' : `${'    '.repeat(by)}${line}`));

export const KEYWORDS: readonly string[] = ['False', 'None', 'True', 'and', 'as', 'assert', 'async', 'await', 'break', 'class', 'continue', 'def', 'del', 'elif', 'else', 'except', 'finally', 'for', 'from', 'global', 'if', 'import', 'in', 'is', 'lambda', 'nonlocal', 'not', 'or', 'pass', 'raise', 'return', 'try', 'while', 'with', 'yield'];

/** What a name in any file means that gives it to nothing else. */
export const BUILTINS: readonly string[] = 'abs aiter all anext any ascii bin bool breakpoint bytearray bytes callable chr classmethod compile complex delattr dict dir divmod enumerate eval exec filter float format frozenset getattr globals hasattr hash help hex id input int isinstance issubclass iter len list locals map max memoryview min next object oct open ord pow print property range repr reversed round set setattr slice sorted staticmethod str sum super tuple type vars zip'.split(' ');

/** Names that the emitted code means something else by. */
const LOCAL = [...KEYWORDS, 'self', 'torch', 'nn', 'F', 'len', 'range', 'labels', 'targets', 'outputs', 'loss', 'correct', 'routes', 'found', 'Result', 'Routes', 'Tensor', 'float'];

/** Attributes of every module, and what __init__ means something else by. */
const ATTRIBUTES = [...KEYWORDS, 'self', 'super', 'nn', 'BatchNorm', 'training', 'forward', 'parameters', 'buffers', 'modules', 'children', 'train', 'eval', 'to', 'cpu', 'cuda', 'half', 'double', 'float', 'type', 'apply', 'register_buffer', 'state_dict', 'zero_grad', 'requires_grad_', 'share_memory', 'extra_repr', 'call_super_init', 'dump_patches', 'T_destination', 'add_module', 'compile'];

const free = (name: string, taken: readonly string[]): string => (taken.includes(name) ? `${name}_` : name);

/** A name of the source as a variable, or as a module's attribute. */
export const variableName = (name: string): string => free(name.replaceAll(/\W/g, '_'), LOCAL);
export const attributeName = (name: string): string => free(name.replaceAll(/\W/g, '_').replace(/^(?=\d)/, '_'), ATTRIBUTES);

/** Gives each wanted name, or the first of name_2, name_3, … that nobody has. */
export function namer(taken: Iterable<string> = []): (wanted: string) => string {
  const used = new Set(taken);
  return (wanted) => {
    let name = wanted;
    for (let n = 2; used.has(name); n++) name = `${wanted}_${n}`;
    used.add(name);
    return name;
  };
}
