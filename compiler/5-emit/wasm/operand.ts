// The operands of a contraction as matrices, and how their panels are packed: im2col happens here, a panel at a time, never as a whole.

import type { Fn, Local, Ref } from './code.ts';

/** A sliding window over an NHWC image, seen from one side or from the other. Sizes in pixels. */
export interface WindowSpec {
  readonly height: number;
  readonly width: number;
  readonly outHeight: number;
  readonly outWidth: number;
  /** Taps along each axis, k by k. */
  readonly k: number;
  readonly stride: number;
  readonly dilation: number;
  readonly top: number;
  readonly left: number;
}

/** Where a row of a matrix begins, for each tap. Strides in elements. */
export type Rows =
  /** row * stride + tap * tapStride */
  | { readonly kind: 'strided'; readonly stride: number; readonly tapStride: number }
  /** Rows are the window's positions; a tap reads a pixel of the image, or zeros beside it. */
  | { readonly kind: 'image'; readonly window: WindowSpec; readonly stride: number }
  /** Rows are the image's pixels; a tap reads the position whose tap covers the pixel, or zeros. */
  | { readonly kind: 'positions'; readonly window: WindowSpec; readonly stride: number };

/** A matrix of `rows` by `taps * channels`; the channels of a tap lie side by side in memory. */
export interface Operand {
  readonly rows: Rows;
  readonly taps: number;
  readonly channels: number;
  /** Which axis is summed over. */
  readonly depth: 'rows' | 'columns';
  /** Elements from one group to the next. */
  readonly groupStride: number;
}

/** The address of (row, tap), channel 0, or of zeros. `zeros` is an address with at least `channels` zeros. */
function rowAddress(fn: Fn, operand: Operand, base: Local, zeros: Local, row: () => Ref, tap: () => Ref): Ref {
  const { m, c } = fn.code;
  const { rows } = operand;
  const bytes = (elements: Ref): Ref => m.i32.mul(elements, c(4));
  if (rows.kind === 'strided') {
    const offset = m.i32.mul(row(), c(rows.stride * 4));
    return m.i32.add(base.get(), operand.taps === 1 ? offset : m.i32.add(offset, m.i32.mul(tap(), c(rows.tapStride * 4))));
  }
  const w = rows.window;
  const forward = rows.kind === 'image';
  const [gridHeight, gridWidth] = forward ? [w.outHeight, w.outWidth] : [w.height, w.width];
  const [readHeight, readWidth] = forward ? [w.height, w.width] : [w.outHeight, w.outWidth];
  const [y, x] = [fn.i32(), fn.i32()];
  const image = m.i32.div_u(row(), c(gridHeight * gridWidth));
  const line = m.i32.rem_u(m.i32.div_u(row(), c(gridWidth)), c(gridHeight));
  const column = m.i32.rem_u(row(), c(gridWidth));
  const down = m.i32.mul(m.i32.div_u(tap(), c(w.k)), c(w.dilation));
  const across = m.i32.mul(m.i32.rem_u(tap(), c(w.k)), c(w.dilation));
  const place = (position: Ref, shift: Ref, before: number): Ref =>
    forward ? m.i32.sub(m.i32.add(m.i32.mul(position, c(w.stride)), shift), c(before)) : m.i32.sub(m.i32.add(position, c(before)), shift);
  const inside = (local: Local, size: number): Ref => {
    if (forward || w.stride === 1) return m.i32.lt_u(local.get(), c(size));
    // Only every stride-th pixel is under this tap; a negative place is beyond any size once it is unsigned.
    const whole = m.i32.eqz(m.i32.rem_u(local.get(), c(w.stride)));
    return m.i32.and(whole, m.i32.lt_u(local.get(), c((size - 1) * w.stride + 1)));
  };
  const step = (local: Local): Ref => (forward || w.stride === 1 ? local.get() : m.i32.div_u(local.get(), c(w.stride)));
  const pixel = m.i32.add(m.i32.mul(m.i32.add(m.i32.mul(image, c(readHeight)), step(y)), c(readWidth)), step(x));
  return fn.value([
    y.set(place(line, down, w.top)),
    x.set(place(column, across, w.left)),
    m.select(m.i32.and(inside(y, readHeight), inside(x, readWidth)), m.i32.add(base.get(), bytes(m.i32.mul(pixel, c(rows.stride)))), zeros.get()),
  ]);
}

/** Where packing finds its numbers and puts them. Lengths are values made anew at each use. */
interface Packing {
  readonly base: Local;
  readonly zeros: Local;
  readonly to: Local;
  /** First place on the panels' axis and on the summed axis, and how many. */
  readonly from: () => Ref;
  readonly count: () => Ref;
  readonly depthFrom: () => Ref;
  readonly depthCount: () => Ref;
  /** Bytes from one panel to the next. */
  readonly panelBytes: () => Ref;
}

/**
 * Packs `count` places of the panels' axis by `depthCount` places of the summed axis into panels of `width` places, in each of which the `width` numbers of one
 * depth lie side by side. Places of a last panel beyond `count` hold anything: what is computed from them is not stored.
 */
export const pack = (fn: Fn, operand: Operand, width: number, packing: Packing): Ref => (operand.depth === 'columns' ? packColumns : packRows)(fn, operand, width, packing);

/** The pieces of a range of columns that lie in one tap each: `body(tap, channel, length, done)`, done counting from the range's start. */
function pieces(fn: Fn, operand: Operand, from: () => Ref, count: () => Ref, body: (tap: Local, channel: Local, length: Local, done: Local) => readonly Ref[]): Ref {
  const { m, c } = fn.code;
  const { channels } = operand;
  const [tap, channel, length, done] = [fn.i32(), fn.i32(), fn.i32(), fn.i32()];
  const label = fn.label();
  const rest = (): Ref => m.i32.sub(count(), done.get());
  return fn.block([
    done.set(c(0)),
    m.loop(
      label,
      fn.block([
        tap.set(m.i32.div_u(m.i32.add(from(), done.get()), c(channels))),
        channel.set(m.i32.sub(m.i32.add(from(), done.get()), m.i32.mul(tap.get(), c(channels)))),
        length.set(m.i32.sub(c(channels), channel.get())),
        m.if(m.i32.gt_s(length.get(), rest()), length.set(rest())),
        ...body(tap, channel, length, done),
        m.br(label, m.i32.lt_s(done.tee(m.i32.add(done.get(), length.get())), count())),
      ]),
    ),
  ]);
}

/** Panels of rows: the numbers of `width` rows are interleaved. */
function packColumns(fn: Fn, operand: Operand, width: number, p: Packing): Ref {
  const { m, c } = fn.code;
  const sources = Array.from({ length: width }, () => fn.i32());
  const to = fn.i32();
  return pieces(fn, operand, p.depthFrom, p.depthCount, (tap, channel, length, done) => [
    fn.loop(c(0), p.count, width, (row) => [
      ...sources.map((source, r) =>
        source.set(
          m.i32.add(
            rowAddress(fn, operand, p.base, p.zeros, () => m.i32.add(p.from(), clampRow(fn, row, r, p.count)), tap.get),
            m.i32.mul(channel.get(), c(4)),
          ),
        ),
      ),
      to.set(m.i32.add(m.i32.add(p.to.get(), m.i32.mul(m.i32.div_u(row.get(), c(width)), p.panelBytes())), m.i32.mul(done.get(), c(width * 4)))),
      interleave(fn, sources, to, length),
    ]),
  ]);
}

/** row + r, or row itself where that is beyond the last: any row will do there, so long as it exists. */
const clampRow = ({ code: { m, c } }: Fn, row: Local, r: number, count: () => Ref): Ref =>
  r === 0 ? row.get() : m.select(m.i32.lt_s(m.i32.add(row.get(), c(r)), count()), m.i32.add(row.get(), c(r)), row.get());

/** Copies `length` numbers of each source so that those of one place lie side by side. Sources and target are moved. */
function interleave(fn: Fn, sources: readonly Local[], to: Local, length: Local): Ref {
  const { m, c } = fn.code;
  const width = sources.length;
  const advance = (elements: number): Ref[] => [
    ...sources.map((source) => source.set(m.i32.add(source.get(), c(elements * 4)))),
    to.set(m.i32.add(to.get(), c(elements * width * 4))),
  ];
  const four = (): Ref[] =>
    Array.from({ length: Math.ceil(width / 4) }, (_, quad) => transposeFour(fn, sources.slice(quad * 4, quad * 4 + 4), to, width, quad * 16)).flat();
  const one = (): Ref[] => sources.map((source, r) => m.f32.store(r * 4, 4, to.get(), m.f32.load(0, 4, source.get())));
  return fn.block([
    fn.loop(c(0), () => m.i32.sub(length.get(), c(3)), 4, () => [...four(), ...advance(4)]),
    fn.loop(m.i32.and(length.get(), c(-4)), length.get, 1, () => [...one(), ...advance(1)]),
  ]);
}

const lanes = (...words: readonly number[]): number[] => words.flatMap((word) => [0, 1, 2, 3].map((byte) => word * 4 + byte));

/** Four numbers of each of two or four sources to four places that are `width` numbers apart, `offset` bytes in. */
function transposeFour(fn: Fn, sources: readonly Local[], to: Local, width: number, offset: number): Ref[] {
  const { m } = fn.code;
  const load = (source: Local | undefined): Ref => m.v128.load(0, 4, (source as Local).get());
  const join = (a: Ref, b: Ref, words: readonly number[]): Ref => m.i8x16.shuffle(a, b, lanes(...words));
  if (sources.length === 2) {
    const [a, b] = [fn.v128(), fn.v128()];
    const halves = [[0, 4, 1, 5], [2, 6, 3, 7]];
    return [
      a.set(load(sources[0])),
      b.set(load(sources[1])),
      ...halves.map((words, half) => m.v128.store(half * 16, 4, to.get(), join(a.get(), b.get(), words))),
    ];
  }
  const rows = sources.map(() => fn.v128());
  const [ab, ab2, cd, cd2] = [fn.v128(), fn.v128(), fn.v128(), fn.v128()];
  const [a, b, c, d] = rows as [Local, Local, Local, Local];
  const store = (place: number, value: Ref): Ref => m.v128.store(place * width * 4 + offset, 4, to.get(), value);
  return [
    ...rows.map((row, r) => row.set(load(sources[r]))),
    ab.set(join(a.get(), b.get(), [0, 4, 1, 5])),
    ab2.set(join(a.get(), b.get(), [2, 6, 3, 7])),
    cd.set(join(c.get(), d.get(), [0, 4, 1, 5])),
    cd2.set(join(c.get(), d.get(), [2, 6, 3, 7])),
    store(0, join(ab.get(), cd.get(), [0, 1, 4, 5])),
    store(1, join(ab.get(), cd.get(), [2, 3, 6, 7])),
    store(2, join(ab2.get(), cd2.get(), [0, 1, 4, 5])),
    store(3, join(ab2.get(), cd2.get(), [2, 3, 6, 7])),
  ];
}

/** Panels of columns: `width` numbers of a row are copied at a time, for every row in turn. */
function packRows(fn: Fn, operand: Operand, width: number, p: Packing): Ref {
  const { m, c } = fn.code;
  const [source, to] = [fn.i32(), fn.i32()];
  const target = (place: Ref, depth: Local): Ref => {
    const panel = m.i32.mul(m.i32.div_u(place, c(width)), p.panelBytes());
    return m.i32.add(m.i32.add(p.to.get(), panel), m.i32.mul(depth.get(), c(width * 4)));
  };
  const rowStart = (depth: Local, tap: Local, channel: Local): Ref =>
    m.i32.add(rowAddress(fn, operand, p.base, p.zeros, () => m.i32.add(p.depthFrom(), depth.get()), tap.get), m.i32.mul(channel.get(), c(4)));
  const aligned = operand.taps === 1 || operand.channels % width === 0;
  return pieces(fn, operand, p.from, p.count, (tap, channel, length, done) => [
    fn.loop(c(0), p.depthCount, 1, (depth) => [
      source.set(rowStart(depth, tap, channel)),
      ...(aligned
        ? [
            to.set(target(done.get(), depth)),
            fn.loop(c(0), length.get, width, () => [
              ...copyRun(fn, source, to, width),
              source.set(m.i32.add(source.get(), c(width * 4))),
              to.set(m.i32.add(to.get(), p.panelBytes())),
            ]),
          ]
        : [
            fn.loop(c(0), length.get, 1, (i) => {
              const place = (): Ref => m.i32.add(done.get(), i.get());
              return [
                to.set(m.i32.add(target(place(), depth), m.i32.mul(m.i32.rem_u(place(), c(width)), c(4)))),
                m.f32.store(0, 4, to.get(), m.f32.load(0, 4, source.get())),
                source.set(m.i32.add(source.get(), c(4))),
              ];
            }),
          ]),
    ]),
  ]);
}

/** `width` numbers, two or a multiple of four; those beyond a row's end are read and never used. */
function copyRun(fn: Fn, source: Local, to: Local, width: number): Ref[] {
  const { m } = fn.code;
  if (width === 2) return [m.i64.store(0, 4, to.get(), m.i64.load(0, 4, source.get()))];
  return Array.from({ length: width / 4 }, (_, i) => m.v128.store(i * 16, 4, to.get(), m.v128.load(i * 16, 4, source.get())));
}
