// How long compiling takes: deep nets, and the growth from 250 layers to 2,000. Counted in processor time, so that other work on the machine does not count.

import { expect, test } from 'vitest';
import { loadProgram, memoryReader } from '../../compiler/2-graph/build.ts';
import { compileNet } from '../../compiler/compile.ts';
import { kernelsOf } from '../../compiler/3-passes/cost.ts';
import { slowness, timed } from '../pace.ts';

const KINDS = {
  chain: (i: number) => `x${i} -> conv(4, k: 3) -> elu`,
  residual: (i: number) => `x${i} + (x${i} -> conv(4, k: 3) -> relu)`,
} as const;

const deep = (layers: number, layer: (i: number) => string): string => `net Deep {
  input image: [8, 8, 3]
  x0 = image -> conv(4, k: 3)
  ${Array.from({ length: layers - 1 }, (_, i) => `x${i + 1} = ${layer(i)}`).join('\n  ')}
  logits = x${layers - 1} -> globalavgpool -> dense(3)
  output logits
  loss softmax_cross_entropy(logits)
}`;

/** Seconds of processor time from the source to the memory plan of a training step. */
function seconds(layers: number, layer: (i: number) => string): number {
  const source = deep(layers, layer);
  const { value: { graph }, ms } = timed(() => compileNet(loadProgram('deep.zz', memoryReader({ 'deep.zz': source })), undefined, { mode: 'train', batch: 2 }));
  if (!graph) throw new Error('the net does not compile');
  expect(kernelsOf(graph).length).toBeGreaterThan(2 * layers);
  return ms / 1000;
}

test.each(Object.entries(KINDS))('a %s of 2,000 layers compiles in under 10 s on a usual machine, and growth from 250 is no worse than n log n', (_, layer) => {
  seconds(250, layer); // warms the compiler up
  const small = Math.min(seconds(250, layer), seconds(250, layer));
  const large = seconds(2000, layer);
  expect(large).toBeLessThan(10 * slowness());
  const nLogN = (8 * Math.log(2000)) / Math.log(250);
  expect(large / small).toBeLessThan(1.8 * nLogN);
});
