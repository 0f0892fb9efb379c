// How the threads of a workgroup copy a slice of a product's factor into its memory: who copies what, how wide, and where it lies there.
//
// A slice is lines of vectors: one line for each place of the summed axis, of neighbours along the factor's own axis, or one for each place of its own axis, of
// neighbours along the summed one. Which of them follows from how the factor lies in its buffers, so that vectors are copied as they are. Each thread copies
// the same places of every slice: where they lie along the factor's own axis is computed once, before the loop over slices.

import { atLeastZero, buffersOf, number, select } from '../../4-kernels/expr.ts';
import type { Expr } from '../../4-kernels/expr.ts';
import { int, minus, plus, quotient, remainder, showIndex, times, use } from '../../4-kernels/indexing.ts';
import type { Index, Var } from '../../4-kernels/indexing.ts';
import { fetchesOf, isOneOf } from './fetches.ts';
import { LANES, vectorBuffers, vectorises } from './runs.ts';
import { FLOATS, FORMATS, HALVES } from './storage.ts';
import { createWriter, indent, innerScope } from './writer.ts';
import type { Scope, Value, WriterOptions } from './writer.ts';

/** A factor's element, and the variables of its own axis and of the summed one. */
export interface Factor {
  readonly element: Expr;
  readonly own: Var;
  readonly depth: Var;
}

/** The axis along which a factor is copied in whole vectors; `single` elements are put together along the summed axis. */
export type Copy = 'own' | 'depth' | 'single';

/** Whole vectors must not go beyond the end of their axis. */
export function copyOf({ element, own, depth }: Factor): Copy {
  const reads = (variable: Var): boolean => variable.extent % LANES === 0 && vectorises(element, variable.name) && vectorBuffers(element, variable.name).length > 0;
  return reads(own) ? 'own' : reads(depth) ? 'depth' : 'single';
}

/** The buffers that are declared as vectors for it. */
export const vectorsOf = ({ element, own, depth }: Factor, copy: Copy): string[] => (copy === 'single' ? [] : vectorBuffers(element, copy === 'own' ? own.name : depth.name));

/** A slice in memory, in vectors. */
export interface Layout {
  /** What neighbours in a vector are neighbours along. */
  readonly along: 'own' | 'depth';
  readonly lines: number;
  /** From one line to the next. Padding leads threads that read several lines at once to different banks. */
  readonly stride: number;
}

/** Lines along the summed axis are short, and read in parallel. Matrices are read several lines at once whatever they are along, and lines of them begin at multiples of 16 bytes. */
export function layoutOf(copy: Copy, size: number, depth: number, forMatrices: boolean): Layout {
  const padding = forMatrices ? 2 : copy === 'own' ? 0 : 1;
  return copy === 'own' ? { along: 'own', lines: depth, stride: size / LANES + padding } : { along: 'depth', lines: size, stride: depth / LANES + padding };
}

export const vectorsIn = ({ lines, stride }: Layout): number => lines * stride;

/** What copies are written with. */
export interface Copying {
  readonly factor: Factor;
  readonly side: 'left' | 'right';
  readonly copy: Copy;
  /** The array in workgroup memory, and its first vector of the slice. */
  readonly array: string;
  readonly from: Index;
  /** Places along the factor's own axis and the summed one in a slice. */
  readonly size: number;
  readonly depth: number;
  readonly layout: Layout;
  /** What the slice holds. */
  readonly dtype: 'f32' | 'f16';
  /** The number of the workgroup's tile along the factor's own axis, and of the slice. */
  readonly tile: Index;
  readonly slice: Index;
  /** How many there are. */
  readonly slices: number;
  readonly threads: number;
  /** `names` for this factor's registers and places. */
  readonly writer: WriterOptions;
  /** Before the loop over slices, and in its body. */
  readonly outside: Scope;
  readonly turn: Scope;
}

export interface Copies {
  /** Registers, declared in the body of the loop. */
  readonly registers: readonly string[];
  readonly fetch: readonly string[];
  readonly put: readonly string[];
}

/** The statements by which a thread fetches its part of a slice into registers, and those that put it into memory. */
export function copiesOf(copying: Copying): Copies {
  const { factor, copy, size, depth, layout, tile, slice, threads, outside } = copying;
  const units = (size * depth) / LANES;
  const places = new Map<string, Var>();
  /** A place along the factor's own axis, in elements or vectors. Beyond its end the last one stands in: sums from there are not stored. */
  const ownPlace = (local: Index, per: number): Index => {
    const count = factor.own.extent / per;
    const key = showIndex(local);
    const known = places.get(key);
    if (known) return times(use(known), per);
    const place = createWriter(copying.writer).index(plus(times(tile, size / per), local), outside);
    const text = factor.own.extent % size === 0 ? place : `min(${place}, ${count - 1})`;
    const isName = /^[a-z]\w*$/.test(text);
    const made = { name: isName ? text : copying.writer.fresh(factor.own.name), extent: count };
    if (!isName) outside.lines.push(`let ${made.name} = ${text};`);
    places.set(key, made);
    return times(use(made), per);
  };
  const rounds = Array.from({ length: Math.ceil(units / threads) }, (_, round) => {
    const active = Math.min(threads, units - round * threads);
    const number = plus(int(round * threads), use({ name: 't', extent: active }));
    const across = copy === 'own' ? size / LANES : copy === 'depth' ? depth / LANES : size;
    const [inner, outer] = [remainder(number, across), quotient(number, across)];
    const [line, vector] = copy === 'single' ? [inner, outer] : [outer, inner];
    const along = times(slice, depth);
    const unit: Unit =
      copy === 'own'
        ? { own: ownPlace(vector, LANES), depth: plus(along, line) }
        : { own: ownPlace(line, 1), depth: plus(along, times(vector, LANES)) };
    const guarded = (lines: readonly string[]): readonly string[] => (active === threads || lines.length === 0 ? lines : [`if t < ${active} {`, ...indent(lines), '}']);
    const { registers, fetch, put } = unitOf(copying, unit, plus(copying.from, times(line, layout.stride), vector));
    return { registers, fetch: guarded(fetch), put: guarded(put) };
  });
  return { registers: rounds.flatMap((each) => each.registers), fetch: rounds.flatMap((each) => each.fetch), put: rounds.flatMap((each) => each.put) };
}

/** The first element of a vector. */
interface Unit {
  readonly own: Index;
  readonly depth: Index;
}

/** The variable of the loop over a vector's elements. */
const LANE: Var = { name: 'lane', extent: LANES };

/** One vector of a slice, which goes to `target`. */
function unitOf(copying: Copying, unit: Unit, target: Index): Copies {
  const { copy, array, slices, dtype, writer: options, turn } = copying;
  const [fetch, put] = [innerScope(turn), innerScope(turn)];
  const registers = registersOf(copying);
  const text = (copy === 'single' ? (slices === 1 ? elementsOf : loopOf) : vectorOf)(registers, unit, fetch, put);
  put.lines.push(`${array}[${createWriter(options).index(target, put)}] = ${registers.asStored ? text : FORMATS[dtype].store(text, LANES)};`);
  return { registers: registers.names.map((name) => `var ${name} = ${registers.type}();`), fetch: fetch.lines, put: put.lines };
}

/** A vector as it lies in its buffers. */
function vectorOf({ type, element }: Registers, unit: Unit, fetch: Scope, put: Scope): string {
  const value = element(unit, '', fetch, put);
  return value.wide ? value.text : `${type}(${value.text})`;
}

/** A vector of elements that lie apart, one by one: where there is one slice, their places are known but for the row. */
function elementsOf({ names, type, element }: Registers, unit: Unit, fetch: Scope, put: Scope): string {
  const texts = [...'xyzw'].map((component, i) => element({ ...unit, depth: plus(unit.depth, int(i)) }, `.${component}`, fetch, put).text);
  const [only = ''] = names;
  const isRegister = texts.every((text, i) => text === `${only}.${'xyzw'[i] ?? ''}`);
  return isRegister ? only : `${type}(${texts.join(', ')})`;
}

/** The same in a loop, which keeps the text short. */
function loopOf({ names, type, element, fresh }: Registers, unit: Unit, fetch: Scope, put: Scope): string {
  const [fetching, putting] = [innerScope(fetch, [LANE.name], true), innerScope(put, [LANE.name], true)];
  const { text } = element({ ...unit, depth: plus(unit.depth, use(LANE)) }, `[${LANE.name}]`, fetching, putting);
  const loop = (lines: readonly string[]): string[] => [`for (var ${LANE.name} = 0; ${LANE.name} < ${LANES}; ${LANE.name}++) {`, ...indent(lines), '}'];
  fetch.lines.push(...loop(fetching.lines));
  const [only = ''] = names;
  if (text === `${only}[${LANE.name}]`) return only;
  const name = fresh('v');
  put.lines.push(`var ${name} = ${type}();`, ...loop([...putting.lines, `${name}[${LANE.name}] = ${text};`]));
  return name;
}

type Registers = ReturnType<typeof registersOf>;

/** The registers that a vector is fetched into, and what fills and reads them. */
function registersOf({ factor, side, copy, dtype, writer: options }: Copying) {
  const names: string[] = [];
  const register = (i: number): string => (names[i] ??= options.fresh(side));
  // What goes from one place to another in f16 is not made f32 in between.
  const asStored = dtype === 'f16' && isOneOf(factor.element) && buffersOf(factor.element).every((id) => options.bound(id).format === FORMATS.f16);
  /** An element or vector, which takes a component of each register. */
  const element = ({ own, depth }: Unit, component: string, fetch: Scope, put: Scope): Value => {
    const places = new Map([[factor.own.name, own], [factor.depth.name, depth]]);
    const writer = createWriter({ ...options, asStored, places, lane: copy === 'own' ? factor.own.name : copy === 'depth' ? factor.depth.name : undefined });
    // Beyond the summed axis there are zeros.
    const inside = select(atLeastZero(minus(int(factor.depth.extent - 1), depth)), factor.element, number(0));
    const { registers, value } = fetchesOf(inside);
    const locals = registers.map((each, i) => {
      writer.assign(`${register(i)}${component}`, copy !== 'single', each.value, fetch);
      return [each.name, { text: `${register(i)}${component}`, wide: copy !== 'single' }] as const;
    });
    return writer.value(value, { ...put, locals: new Map([...put.locals, ...locals]) });
  };
  return { names, type: (asStored ? HALVES : FLOATS)[LANES], asStored, element, fresh: options.fresh };
}
