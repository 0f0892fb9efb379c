// The text form of kernels, and the gpu.js functions made of them, compared exactly.

import { expect, test } from 'vitest';
import { createBuilder } from '../../compiler/2-graph/builder.ts';
import type { ValueId } from '../../compiler/2-graph/graph.ts';
import { printKernel } from '../../compiler/4-kernels/kernel.ts';
import type { Kernel } from '../../compiler/4-kernels/kernel.ts';
import { lower } from '../../compiler/4-kernels/lower.ts';
import { gridOf, kernelSource } from '../../compiler/5-emit/gpujs/source.ts';
import { graphOf } from './cases.ts';

const builder = createBuilder();
const leaf = (id: string, shape: readonly number[]): ValueId => builder.add('input', [], { name: id, shape: [...shape] }, { id });
const x = leaf('x', [2, 5, 5, 8]);
const filter = leaf('filter', [3, 3, 8, 4]);
const point = leaf('point', [1, 1, 8, 4]);
const bias = leaf('bias', [4]);
const window = { stride: 1, pad: 'same', dilation: 1, groups: 1 } as const;
const conv = builder.add('conv2d', [x, filter], window, { id: 'conv' });
const values = [
  conv,
  builder.add('conv2d', [x, point], window, { id: 'point_conv' }),
  builder.add('elu', [conv], { alpha: 1 }, { id: 'elu' }),
  builder.add('add', [conv, bias], {}, { id: 'biased' }),
  builder.add('pad', [bias], { axis: 0, before: 1, after: 0 }, { id: 'padded' }),
  builder.add('softmax', [leaf('logits', [3, 10])], {}, { id: 'softmax' }),
];
const kernels = lower(graphOf(builder, values));

const kernelOf = (id: string): Kernel => {
  const found = kernels.find((kernel) => kernel.output.id === id);
  if (!found) throw new Error(`no kernel for ${id}`);
  return found;
};

test('a convolution guards its taps outside the loop over the channels', () => {
  expect(printKernel(kernelOf('conv'))).toBe(`contraction conv2d_conv(%x: f32[2,5,5,8], %filter: f32[3,3,8,4]) -> %conv: f32[2,5,5,4]
  [i0<2, i1<5, i2<5, i3<4] =
    sum ky<3
      select(i1 + ky - 1 >= 0 & -i1 - ky + 5 >= 0)
        sum kx<3
          select(i2 + kx - 1 >= 0 & -i2 - kx + 5 >= 0)
            sum(ci<8: (%x[200*i0 + 40*i1 + 40*ky + 8*i2 + 8*kx + ci - 48] * %filter[96*ky + 32*kx + 4*ci + i3]))
            0
        0
`);
});

test('a point-wise convolution has no guards left', () => {
  expect(printKernel(kernelOf('point_conv'))).toBe(`contraction conv2d_point_conv(%x: f32[2,5,5,8], %point: f32[1,1,8,4]) -> %point_conv: f32[2,5,5,4]
  [i0<2, i1<5, i2<5, i3<4] =
    sum(ci<8: (%x[200*i0 + 40*i1 + 8*i2 + ci] * %point[4*ci + i3]))
`);
});

test('element-wise kernels walk as few axes as they can', () => {
  expect(printKernel(kernelOf('biased'))).toBe(`map add_biased(%conv: f32[2,5,5,4], %bias: f32[4]) -> %biased: f32[2,5,5,4]
  [i0<50, i1<4] =
    (%conv[4*i0 + i1] + %bias[i1])
`);
});

test('a softmax takes three kernels', () => {
  expect(kernels.filter((kernel) => kernel.from.includes('softmax')).map((kernel) => printKernel(kernel))).toEqual([
    'reduce softmax_softmax.max(%logits: f32[3,10]) -> %softmax.max: f32[3]\n  [i0<3] =\n    max(c<10: %logits[10*i0 + c])\n',
    `reduce softmax_softmax.total(%softmax.max: f32[3], %logits: f32[3,10]) -> %softmax.total: f32[3]
  [i0<3] =
    let m = %softmax.max[i0] in sum(c<10: exp((%logits[10*i0 + c] - m)))
`,
    `map softmax_softmax(%logits: f32[3,10], %softmax.max: f32[3], %softmax.total: f32[3]) -> %softmax: f32[3,10]
  [i0<3, i1<10] =
    (exp((%logits[10*i0 + i1] - %softmax.max[i0])) / %softmax.total[i0])
`,
  ]);
});

test('the gpu.js function of a convolution steps pointers through its innermost loop', () => {
  expect(gridOf(kernelOf('conv'), 'grid')).toEqual([4, 25, 2]);
  expect(kernelSource(kernelOf('conv'), 'grid')).toBe(`function (a0, a1) {
  let p2 = this.output.x; p2++;
  let p3 = this.output.x; p3++;
  let p4 = this.output.x; p4++;
  let p7 = this.output.x; p7++;
  let p8 = this.output.x; p8++;
  let p9 = this.output.x; p9++;
  let p12 = this.output.x; p12++;
  let p13 = this.output.x; p13++;
  let s0 = 0;
  p2 = Math.floor((this.thread.y + 0.5) * 0.2) | 0;
  p3 = p2 - 1;
  p4 = 5 - p2;
  p7 = this.thread.y - p2 * 5;
  for (let k1 = 0; k1 < 3; k1++) {
    if ((p3 >= 0) && (p4 >= 0)) {
      let s5 = 0;
      p8 = p7 - 1;
      p9 = 5 - p7;
      for (let k6 = 0; k6 < 3; k6++) {
        if ((p8 >= 0) && (p9 >= 0)) {
          let s10 = 0;
          p12 = this.thread.z * 200 + (k1 | 0) * 40 + (k6 | 0) * 8 + this.thread.y * 8 - 48;
          p13 = (k1 | 0) * 96 + (k6 | 0) * 32 + this.thread.x;
          for (let k11 = 0; k11 < 8; k11++) {
            s10 += (a0[p12] * a1[p13]);
            p12++;
            p13 += 4;
          }
          s5 += s10;
        }
        p8++;
        p9 -= 1;
      }
      s0 += s5;
    }
    p3++;
    p4 -= 1;
  }
  return s0;
}`);
});

test('over one dimension, loop indices come from the cell', () => {
  expect(gridOf(kernelOf('biased'), 'flat')).toEqual([200]);
  expect(kernelSource(kernelOf('biased'), 'flat')).toBe(`function (a0, a1) {
  let p0 = this.output.x; p0++;
  let p1 = this.output.x; p1++;
  p0 = Math.floor((this.thread.x + 0.5) * 0.25) | 0;
  p1 = this.thread.x - p0 * 4;
  return (a0[this.thread.x] + a1[p1]);
}`);
});

test('a load that may lie outside stands in a branch, one that cannot does not', () => {
  expect(kernelSource(kernelOf('padded'), 'grid')).toBe(`function (a0) {
  let v0 = 0;
  if (this.thread.x - 1 >= 0) {
    v0 = a0[this.thread.x - 1];
  }
  return v0;
}`);
  expect(kernelSource(kernelOf('elu'), 'grid')).toBe(`function (a0) {
  const v0 = a0[this.thread.x];
  let v1 = 0;
  if (0 < v0) {
    v1 = v0;
  } else {
    v1 = Math.expm1(v0);
  }
  return v1;
}`);
});
