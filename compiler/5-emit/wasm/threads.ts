// How the threads of a step share its work and meet: pieces that are taken from counters, and a barrier that spins for a while, then sleeps.

import binaryen from 'binaryen';
import { define } from './code.ts';
import type { Code, Fn, Local, Ref } from './code.ts';

/** Parameters that every kernel begins with. */
export const HEAD = ['thread', 'threads', 'scratch', 'zeros'] as const;

/** The control block: how many threads have arrived, the barrier's generation, and of each thread how many of its pieces are taken. Each has a cache line to itself. */
const COUNT = 0;
const GENERATION = 64;
const TAKEN = 128;
const LINE = 64;

const control = ({ m }: Code): Ref => m.global.get('control', binaryen.i32);

/** Pieces of a thread's share: how finely others can help it. */
const PIECES = 8;

/**
 * Runs `body` for the units 0 to count - 1. Each thread begins with its share of them, which for the same kernel is always the same, then takes pieces of what others
 * have not begun: cores are not equally fast, and not always free. Who computes a unit makes no difference to its numbers.
 */
export function eachUnit(fn: Fn, thread: Local, threads: Local, count: number, body: (unit: Local) => readonly Ref[]): Ref {
  const { code } = fn;
  const { m, c } = code;
  const [turn, owner, first, size, piece, end, unit] = [fn.i32(), fn.i32(), fn.i32(), fn.i32(), fn.i32(), fn.i32(), fn.i32()];
  const next = fn.label();
  const bound = (index: Ref): Ref => m.i32.div_u(m.i32.mul(index, c(count)), threads.get());
  const part = (index: Ref): Ref => m.i32.add(first.get(), m.i32.div_u(m.i32.mul(index, size.get()), c(PIECES)));
  const take = m.i32.atomic.rmw.add(TAKEN, m.i32.add(control(code), m.i32.mul(owner.get(), c(LINE))), c(1));
  return fn.block([
    turn.set(c(0)),
    fn.advance(turn, threads.get, 1, () => [
      owner.set(m.i32.rem_u(m.i32.add(thread.get(), turn.get()), threads.get())),
      first.set(bound(owner.get())),
      size.set(m.i32.sub(bound(m.i32.add(owner.get(), c(1))), first.get())),
      m.loop(
        next,
        m.if(
          m.i32.lt_u(piece.tee(take), c(PIECES)),
          fn.block([
            unit.set(part(piece.get())),
            end.set(part(m.i32.add(piece.get(), c(1)))),
            fn.advance(unit, end.get, 1, () => body(unit)),
            m.br(next),
          ]),
        ),
      ),
    ]),
  ]);
}

/** Tests of the generation before a thread sleeps: about half a millisecond. Threads that sleep often seem idle to the system, which then leaves several on one core. */
const SPINS = 500_000;

/**
 * Defines `barrier`(threads): no thread leaves it before all have entered. The last to arrive sets the counters back and starts a new generation, which the others wait for.
 */
export function defineBarrier(code: Code): void {
  const { m, c } = code;
  const generation = (): Ref => m.i32.atomic.load(GENERATION, control(code));
  const generationAt = (): Ref => m.i32.add(control(code), c(GENERATION));
  define(code, 'barrier', 1, (fn, [threads]) => {
    if (!threads) throw new Error('arity');
    const [current, spins] = [fn.i32(), fn.i32()];
    const [spin, sleep, out] = [fn.label(), fn.label(), fn.label()];
    const released = () => m.br(out, m.i32.ne(generation(), current.get()));
    const arrived = m.i32.atomic.rmw.add(COUNT, control(code), c(1));
    return [
      current.set(generation()),
      m.if(
        m.i32.eq(m.i32.add(arrived, c(1)), threads.get()),
        fn.block([
          m.i32.atomic.store(COUNT, control(code), c(0)),
          fn.loop(c(0), threads.get, 1, (i) => [m.i32.atomic.store(TAKEN, m.i32.add(control(code), m.i32.mul(i.get(), c(LINE))), c(0))]),
          m.drop(m.i32.atomic.rmw.add(GENERATION, control(code), c(1))),
          m.drop(m.memory.atomic.notify(generationAt(), c(-1))),
          m.return(),
        ]),
      ),
      m.block(out, [
        spins.set(c(SPINS)),
        m.loop(spin, fn.block([released(), m.br(spin, spins.tee(m.i32.sub(spins.get(), c(1))))])),
        m.loop(
          sleep,
          fn.block([
            m.drop(m.memory.atomic.wait32(generationAt(), current.get(), m.i64.const(-1n))),
            released(),
            m.br(sleep),
          ]),
        ),
      ]),
    ];
  });
}
