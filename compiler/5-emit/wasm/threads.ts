// How the threads of a step meet: a barrier that spins for a while, then sleeps.

import binaryen from 'binaryen';
import { define } from './code.ts';
import type { Code } from './code.ts';

/** Tests of the generation before a thread sleeps: some tens of microseconds, about what waking it costs. */
const SPINS = 20_000;

/**
 * Defines `barrier`(threads): no thread leaves it before all have entered. The last to arrive starts the count again, and a new generation, which the others wait for.
 * The control block holds the count, and 32 bytes further the generation.
 */
export function defineBarrier(code: Code): void {
  const { m, c } = code;
  const control = () => m.global.get('control', binaryen.i32);
  const generation = () => m.i32.atomic.load(32, control());
  define(code, 'barrier', 1, (fn, [threads]) => {
    if (!threads) throw new Error('arity');
    const [current, spins] = [fn.i32(), fn.i32()];
    const [spin, sleep, out] = [fn.label(), fn.label(), fn.label()];
    const released = () => m.br(out, m.i32.ne(generation(), current.get()));
    const arrive = m.i32.atomic.rmw.add(0, control(), c(1));
    return [
      m.if(m.i32.eq(threads.get(), c(1)), m.return()),
      current.set(generation()),
      m.if(
        m.i32.eq(m.i32.add(arrive, c(1)), threads.get()),
        fn.block([
          m.i32.atomic.store(0, control(), c(0)),
          m.drop(m.i32.atomic.rmw.add(32, control(), c(1))),
          m.drop(m.memory.atomic.notify(m.i32.add(control(), c(32)), c(-1))),
          m.return(),
        ]),
      ),
      m.block(out, [
        spins.set(c(SPINS)),
        m.loop(spin, fn.block([released(), m.br(spin, spins.tee(m.i32.sub(spins.get(), c(1))))])),
        m.loop(
          sleep,
          fn.block([
            m.drop(m.memory.atomic.wait32(m.i32.add(control(), c(32)), current.get(), m.i64.const(-1n))),
            released(),
            m.br(sleep),
          ]),
        ),
      ]),
    ];
  });
}
