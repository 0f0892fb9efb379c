// Functions with filters or matrices: convolutions and dense layers.

import { bool, init, int, or, value, word } from '../build/arguments.ts';
import type { Initial } from '../build/arguments.ts';
import { Refusal } from '../build/context.ts';
import { define, imageShape, lastDim } from '../build/define.ts';
import type { Maker, WeightSpec } from '../build/maker.ts';
import type { ValueId } from '../graph.ts';
import { showShape } from '../types.ts';

const layer = define('layers');

const HE: Initial = { init: 'he' };
const ZEROS: Initial = { init: 'zeros' };
const initial = or(init, HE, 'he');
const channels = int({ min: 1, max: 65_536 });
const kernel = or(int({ min: 1, max: 1024 }), 3);
const stride = or(int({ min: 1, max: 1024 }), 1);
const dilation = or(int({ min: 1, max: 1024 }), 1);
const pad = or(word('same', 'valid'), 'same');

/** Adds a bias over the last axis where one is asked for. */
function biased(m: Maker, weight: (spec: WeightSpec) => ValueId, y: ValueId, bias: boolean): ValueId {
  if (!bias) return y;
  return m.op('add', [y, weight({ role: 'b', shape: [lastDim(m.shape(y), 'a bias')], init: ZEROS })], {});
}

export const LAYERS = {
  conv: layer(
    { x: value, channels, k: kernel, stride, pad, dilation, groups: or(int({ min: 1 }), 1), bias: or(bool, false), init: initial },
    'Convolution with a k by k filter; `groups` splits the channels into groups that do not see each other.',
    (m, a) => {
      const [, , , inputs] = imageShape(m.shape(a.x), 'conv');
      const groups = m.groups(a.groups, inputs);
      if (inputs % groups !== 0) throw new Refusal('ZZ3005', `${groups} groups do not divide the ${inputs} channels of ${showShape(m.shape(a.x))}`);
      const outputs = m.channels(a.channels, groups);
      if (outputs % groups !== 0) throw new Refusal('ZZ3005', `${groups} groups do not divide the ${outputs} channels that conv gives`);
      const area = a.k * a.k;
      const weight = m.weighted();
      const shape = [a.k, a.k, inputs / groups, outputs];
      const filter = weight({ role: 'w', shape, init: a.init, fan: [(area * inputs) / groups, (area * outputs) / groups], decay: true, scaled: true });
      return biased(m, weight, m.op('conv2d', [a.x, filter], { stride: a.stride, pad: a.pad, dilation: a.dilation, groups }), a.bias);
    },
  ),
  depthwise: layer(
    { x: value, k: kernel, stride, pad, dilation, multiplier: or(int({ min: 1, max: 1024 }), 1), bias: or(bool, false), init: initial },
    'Convolution of each channel with `multiplier` filters of its own.',
    (m, a) => {
      const [, , , inputs] = imageShape(m.shape(a.x), 'depthwise');
      const area = a.k * a.k;
      const weight = m.weighted();
      const filter = weight({ role: 'w', shape: [a.k, a.k, 1, inputs * a.multiplier], init: a.init, fan: [area, area * a.multiplier], decay: true });
      return biased(m, weight, m.op('conv2d', [a.x, filter], { stride: a.stride, pad: a.pad, dilation: a.dilation, groups: inputs }), a.bias);
    },
  ),
  conv_transpose: layer(
    { x: value, channels, k: kernel, stride, pad, bias: or(bool, false), init: initial },
    'Transposed convolution: height and width grow `stride` times (`same`), or to (n - 1) * stride + k (`valid`, k at least the stride).',
    (m, a) => {
      const [, height, width, inputs] = imageShape(m.shape(a.x), 'conv_transpose');
      const outputs = m.channels(a.channels);
      const grow = (n: number): number => (a.pad === 'same' ? n * a.stride : (n - 1) * a.stride + a.k);
      const area = a.k * a.k;
      const weight = m.weighted();
      // The filter is that of the convolution from the result back to x; its input channels are the ones made here.
      const shape = [a.k, a.k, outputs, inputs];
      const filter = weight({ role: 'w', shape, init: a.init, fan: [area * inputs, area * outputs], decay: true, scaled: true });
      const attrs = { stride: a.stride, pad: a.pad, dilation: 1, groups: 1, size: [grow(height), grow(width)] };
      return biased(m, weight, m.op('conv2d_input_grad', [a.x, filter], attrs), a.bias);
    },
  ),
  dense: layer(
    { x: value, units: channels, bias: or(bool, true), init: initial },
    'Matrix product over the last axis, plus a bias.',
    (m, a) => {
      const inputs = lastDim(m.shape(a.x), 'dense');
      if (m.shape(a.x).length < 2) throw new Refusal('ZZ3002', `dense takes [batch,features], found ${showShape(m.shape(a.x))}`);
      const outputs = m.channels(a.units);
      const weight = m.weighted();
      const matrix = weight({ role: 'w', shape: [inputs, outputs], init: a.init, fan: [inputs, outputs], decay: true, scaled: true });
      return biased(m, weight, m.op('matmul', [a.x, matrix], { transpose_a: false, transpose_b: false }), a.bias);
    },
  ),
};
