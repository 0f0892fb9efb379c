// Leaves of random numbers, four of them to a thread.

import { elementCount } from '../../../2-graph/types.ts';
import type { BufferSpec, DeviceProfile, WebGpuStep } from '../../model.ts';
import { groupNumber, stepOf, workgroupsOf } from '../shader.ts';
import { absorbed, bound, called, clock, CLOCK_TYPE, hashed } from './text.ts';

const THREADS = 64;

/** Fills the leaf of a salt with the numbers of the clock's step. */
export function randomStep({ id, shape }: BufferSpec, salt: number, { limits }: DeviceProfile): WebGpuStep {
  const runs = Math.ceil(elementCount(shape) / 4);
  const workgroups = workgroupsOf(Math.ceil(runs / THREADS), limits);
  const draws = [0, 1, 2, 3].map((lane) => `unit(${hashed([`e + ${lane}u`], 'key')})`);
  return stepOf({
    name: `data_random_${id}`,
    bindings: bound([clock, { name: 'leaf', type: 'array<vec4f>', id, access: 'write' }]),
    workgroups,
    helpers: new Map([['Clock', CLOCK_TYPE], ...called(draws)]),
    threads: THREADS,
    body: [
      groupNumber('block', workgroups),
      `let run = block * ${THREADS} + i32(thread);`,
      `if run >= ${runs} { return; }`,
      `let key = ${absorbed(['clock.seed', `${salt >>> 0}u`, 'clock.step'])};`,
      'let e = u32(run) * 4u;',
      `leaf[run] = vec4f(${draws.join(', ')});`,
    ],
  });
}
