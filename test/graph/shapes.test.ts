import { describe, expect, it } from 'vitest';
import { inferType, ShapeError, SHAPES } from '../../compiler/2-graph/shapes.ts';
import { OP_KINDS } from '../../compiler/2-graph/ops.ts';
import type { Attrs, OpKind } from '../../compiler/2-graph/ops.ts';
import { showType } from '../../compiler/2-graph/types.ts';
import type { Code } from '../../compiler/diagnostics.ts';
import { ALL_CASES, CASES, type } from './cases.ts';

describe('shape rules', () => {
  it('has a rule and a case for every operation', () => {
    expect(Object.keys(SHAPES).sort()).toEqual([...OP_KINDS].sort());
    for (const kind of OP_KINDS) expect(CASES[kind].length, kind).toBeGreaterThan(0);
  });

  it.each(ALL_CASES.filter(([kind]) => kind !== 'call'))('%s %j of %j is %s', (kind, attrs, operands, result) => {
    expect(showType(inferType(kind, attrs, operands.map(type)))).toBe(result);
  });

  it('does not infer the type of a call', () => {
    const infer = () => inferType('call', { region: 'r' }, [type('f32[B]')]);
    expect(infer).toThrow('the type of a call is its region\'s, not inferred');
    expect(infer).not.toThrow(ShapeError);
  });

  it.each([
    ['add', 1, 'add takes 2 operands, not 1'],
    ['add', 3, 'add takes 2 operands, not 3'],
    ['neg', 0, 'neg takes 1 operand, not 0'],
    ['scalar', 1, 'scalar takes 0 operands, not 1'],
    ['select', 2, 'select takes 3 operands, not 2'],
  ] as const)('counts the operands: %s of %d', (kind, count, message) => {
    expect(() => inferType(kind, {} as Attrs<typeof kind>, Array.from({ length: count }, () => type('f32[B]')))).toThrow(message);
  });
});

const window = { stride: 1, pad: 'same', dilation: 1, groups: 1 } as const;
const valid = { ...window, pad: 'valid' } as const;
const row = <K extends OpKind>(kind: K, attrs: Attrs<K>, operands: readonly string[], code: Code, message: string) => [kind, attrs, operands, code, message] as const;
const matrices = { transpose_a: false, transpose_b: false };

const BAD = [
  row('input', { name: 'x', shape: ['B', 0] }, [], 'ZZ3013', '[B,0]: dimensions are whole numbers from 1, not 0'),
  row('input', { name: 'x', shape: ['B', 2.5] }, [], 'ZZ3013', '[B,2.5]: dimensions are whole numbers from 1, not 2.5'),
  row('input', { name: 'x', shape: ['0B'] }, [], 'ZZ3013', '[0B]: dimensions are whole numbers from 1, not 0B'),
  row('input', { name: 'x', shape: ['1B'] }, [], 'ZZ3013', '[1B]: dimensions are whole numbers from 1, not 1B'),
  row('input', { name: 'x', shape: ['B', 'B'] }, [], 'ZZ3013', '[B,B] has 2 batch axes'),
  row('input', { name: 'x', shape: ['B', 65536, 32769] }, [], 'ZZ3013', '[B,65536,32769] has more than 2^31 elements for each image'),
  row('weight', { name: 'w', shape: [2147483648, 2], init: 'he', std: 1, decay: true }, [], 'ZZ3013', '[2147483648,2] has more than 2^31 elements'),
  row('labels', { shape: ['B', 1] }, [], 'ZZ3002', 'labels are [B,1], but have 1 axis'),

  row('add', {}, ['f32[B,32,32,96]', 'f32[B,16,16,96]'], 'ZZ3001', '[B,32,32,96] and [B,16,16,96] do not broadcast: axis 1 is 32 and 16'),
  row('mul', {}, ['f32[B,4]', 'f32[3]'], 'ZZ3001', '[B,4] and [3] do not broadcast: axis -1 is 4 and 3'),
  row('sub', {}, ['f32[B]', 'f32[2B]'], 'ZZ3001', '[B] and [2B] do not broadcast: axis 0 is B and 2B'),
  row('maximum', {}, ['f32[B,3]', 'f32[50,3]'], 'ZZ3001', '[B,3] and [50,3] do not broadcast: axis 0 is B and 50'),
  row('div', {}, ['f32[B]', 'f32[B,4]'], 'ZZ3001', '[B] and [B,4] do not broadcast: axis -1 is B and 4'),
  row('add', {}, ['f32[B,1]', 'f32[1,B]'], 'ZZ3013', '[B,B] has 2 batch axes'),
  row('select', {}, ['f32[B]', 'f32[3,1]', 'f32[2,1]'], 'ZZ3001', '[3,B] and [2,1] do not broadcast: axis 0 is 3 and 2'),
  row('add', {}, ['f32[B]', 'f16[B]'], 'ZZ2006', 'f32[B] and f16[B]: operands are all f32 or all f16'),
  row('add', {}, ['i32[B]', 'i32[B]'], 'ZZ2006', 'i32[B] and i32[B]: operands are all f32 or all f16'),
  row('cast', { to: 'f16' }, ['i32[B]'], 'ZZ2006', 'i32[B]: operands are all f32 or all f16'),
  row('relu', {}, ['i32[B]'], 'ZZ2006', 'i32[B]: operands are all f32 or all f16'),

  row('reduce_sum', { axes: [2], keep: false }, ['f32[B,3]'], 'ZZ3008', '[B,3] has no axis 2: it has 2 axes'),
  row('reduce_max', { axes: [-1], keep: false }, ['f32[B]'], 'ZZ3008', '[B] has no axis -1: it has 1 axis'),
  row('reduce_mean', { axes: [1, 1], keep: true }, ['f32[B,3]'], 'ZZ3008', 'axes [1,1] name an axis of [B,3] twice'),
  row('softmax', {}, ['f32[]'], 'ZZ3002', '[] has no axis to take the softmax over'),
  row('all_finite', {}, ['i32[3]'], 'ZZ2006', 'i32[3]: operands are all f32 or all f16'),
  row('log_softmax', {}, ['i32[3]'], 'ZZ2006', 'i32[3]: operands are all f32 or all f16'),

  row('reshape', { shape: ['B', 10] }, ['f32[B,3,3]'], 'ZZ3007', '[B,3,3] has 9B elements, [B,10] has 10B'),
  row('reshape', { shape: [9] }, ['f32[B,9]'], 'ZZ3007', '[B,9] has 9B elements, [9] has 9'),
  row('reshape', { shape: ['B', 'B'] }, ['f32[B]'], 'ZZ3013', '[B,B] has 2 batch axes'),
  row('reshape', { shape: [-3, -3] }, ['f32[9]'], 'ZZ3013', '[-3,-3]: dimensions are whole numbers from 1, not -3'),
  row('broadcast', { shape: [3] }, ['f32[B,3]'], 'ZZ3001', '[B,3] does not broadcast to [3]'),
  row('broadcast', { shape: [1] }, ['f32[3]'], 'ZZ3001', '[3] does not broadcast to [1]'),
  row('broadcast', { shape: ['B', 2] }, ['f32[B,3]'], 'ZZ3001', '[B,3] and [B,2] do not broadcast: axis 1 is 3 and 2'),
  row('transpose', { perm: [0] }, ['f32[B,3]'], 'ZZ3008', 'perm [0] names 1 of the 2 axes of [B,3]'),
  row('transpose', { perm: [0, 0] }, ['f32[B,3]'], 'ZZ3008', 'axes [0,0] name an axis of [B,3] twice'),
  row('transpose', { perm: [0, 2] }, ['f32[B,3]'], 'ZZ3008', '[B,3] has no axis 2: it has 2 axes'),
  row('slice', { axis: 1, start: 2, size: 2 }, ['f32[B,3]'], 'ZZ3008', '[B,3] has no elements 2 to 3 along axis 1: it has 3'),
  row('slice', { axis: 0, start: 0, size: 1 }, ['f32[B,3]'], 'ZZ3013', 'axis 0 of [B,3] is the batch, which is not sliced while its size is not known'),
  row('slice', { axis: 1, start: -1, size: 1 }, ['f32[B,3]'], 'ZZ2007', 'start is -1, but must be a whole number from 0'),
  row('slice', { axis: 1, start: 0, size: 0 }, ['f32[B,3]'], 'ZZ2007', 'size is 0, but must be a whole number from 1'),
  row('slice', { axis: 2, start: 0, size: 1 }, ['f32[B,3]'], 'ZZ3008', '[B,3] has no axis 2: it has 2 axes'),
  row('pad', { axis: 0, before: 1, after: 1 }, ['f32[B,3]'], 'ZZ3013', 'axis 0 of [B,3] is the batch, which is not padded'),
  row('pad', { axis: 1, before: 0.5, after: 1 }, ['f32[B,3]'], 'ZZ2007', 'before is 0.5, but must be a whole number from 0'),
  row('concat', { axis: 1 }, [], 'ZZ3006', 'nothing to concatenate'),
  row('concat', { axis: 3 }, ['f32[B,4,4,3]', 'f32[B,4,5,3]'], 'ZZ3006', '[B,4,4,3] and [B,4,5,3] do not concatenate along axis 3: axis 2 is 4 and 5'),
  row('concat', { axis: 1 }, ['f32[B,4]', 'f32[2B,4]'], 'ZZ3006', '[B,4] and [2B,4] do not concatenate along axis 1: axis 0 is B and 2B'),
  row('concat', { axis: 1 }, ['f32[B,4]', 'f32[B,4,1]'], 'ZZ3006', '[B,4] and [B,4,1] do not concatenate along axis 1: they have 2 and 3 axes'),
  row('concat', { axis: 0 }, ['f32[B,4]', 'f32[3,4]'], 'ZZ3006', '[B,4] and [3,4] do not concatenate along axis 0: it is the batch in one and a number in the other'),
  row('concat', { axis: 0 }, ['f32[3]', 'i32[3]'], 'ZZ2006', 'f32[3] and i32[3] do not concatenate: their dtypes differ'),
  row('concat', { axis: 2 }, ['f32[B,4]'], 'ZZ3008', '[B,4] has no axis 2: it has 2 axes'),
  row('upsample', { k: 0 }, ['f32[B,2,2,1]'], 'ZZ2007', 'k is 0, but must be a whole number from 1'),
  row('upsample', { k: 2 }, ['f32[B,2,2]'], 'ZZ3002', '[B,2,2] has 3 axes, but an image [batch,height,width,channels] has 4'),
  row('upsample', { k: 2 }, ['f32[2,B,2,1]'], 'ZZ3013', 'axis 1 of [2,B,2,1] is the batch, where an image has height, width or channels'),
  row('upsample', { k: 65536 }, ['f32[B,1,1,2]'], 'ZZ3013', '[B,65536,65536,2] has more than 2^31 elements for each image'),

  row('matmul', matrices, ['f32[B,3]', 'f32[4,5]'], 'ZZ3003', '[B,3] times [4,5]: the inner dimensions are 3 and 4'),
  row('matmul', { transpose_a: true, transpose_b: true }, ['f32[3,B]', 'f32[4,5]'], 'ZZ3003', '[3,B] transposed times [4,5] transposed: the inner dimensions are 3 and 5'),
  row('matmul', { transpose_a: true, transpose_b: false }, ['f32[B,3]', 'f32[2B,3]'], 'ZZ3003', '[B,3] transposed times [2B,3]: the inner dimensions are B and 2B'),
  row('matmul', matrices, ['f32[3]', 'f32[3,4]'], 'ZZ3002', '[3] has 1 axis, but a matrix has 2'),
  row('matmul', matrices, ['f32[2,3,4]', 'f32[3,4,5]'], 'ZZ3002', '[2,3,4] times [3,4,5]: the right operand has 2 axes, or the left one\'s before its last two'),
  row('matmul', matrices, ['f32[3,4]', 'f32[2,4,5]'], 'ZZ3002', '[3,4] times [2,4,5]: the right operand has 2 axes, or the left one\'s before its last two'),
  row('matmul', { transpose_a: false, transpose_b: true }, ['f32[B,3]', 'f32[B,3]'], 'ZZ3013', '[B,B] has 2 batch axes'),

  row('conv2d', window, ['f32[B,32,32]', 'f32[3,3,3,8]'], 'ZZ3002', '[B,32,32] has 3 axes, but an image [batch,height,width,channels] has 4'),
  row('conv2d', window, ['f32[B,32,32,3]', 'f32[3,3,8]'], 'ZZ3002', '[3,3,8] has 3 axes, but a filter [k,k,inputs,outputs] has 4'),
  row('conv2d', window, ['f32[B,32,32,3]', 'f32[3,3,4,8]'], 'ZZ3003', '[B,32,32,3] has 3 channels, but the filter [3,3,4,8] takes 4'),
  row('conv2d', { ...window, groups: 3 }, ['f32[B,4,4,6]', 'f32[3,3,3,9]'], 'ZZ3003', '[B,4,4,6] has 6 channels, but the filter [3,3,3,9] takes 3 in each of 3 groups'),
  row('conv2d', { ...window, groups: 4 }, ['f32[B,4,4,6]', 'f32[3,3,1,8]'], 'ZZ3005', '4 groups do not divide the 6 channels of [B,4,4,6]'),
  row('conv2d', { ...window, groups: 2 }, ['f32[B,4,4,6]', 'f32[3,3,3,9]'], 'ZZ3005', '2 groups do not divide the 9 output channels of the filter [3,3,3,9]'),
  row('conv2d', valid, ['f32[B,2,4,3]', 'f32[3,3,3,8]'], 'ZZ3004', 'a 3x3 window does not fit an image of 2x4 without padding'),
  row('conv2d', { ...valid, dilation: 3 }, ['f32[B,6,7,3]', 'f32[3,3,3,8]'], 'ZZ3004', 'a 7x7 window (3x3 with dilation 3) does not fit an image of 6x7 without padding'),
  row('conv2d', window, ['f32[B,4,4,3]', 'f32[3,1,3,8]'], 'ZZ3013', 'the filter [3,1,3,8] is not square'),
  row('conv2d', window, ['f32[B,4,4,3]', 'f32[3,3,3,B]'], 'ZZ3013', 'axis 3 of [3,3,3,B] is the batch, and a filter has none'),
  row('conv2d', { ...window, stride: 0 }, ['f32[B,4,4,3]', 'f32[3,3,3,8]'], 'ZZ2007', 'stride is 0, but must be a whole number from 1'),
  row('conv2d', { ...window, dilation: -1 }, ['f32[B,4,4,3]', 'f32[3,3,3,8]'], 'ZZ2007', 'dilation is -1, but must be a whole number from 1'),
  row('conv2d', { ...window, groups: 0 }, ['f32[B,4,4,3]', 'f32[3,3,3,8]'], 'ZZ2007', 'groups is 0, but must be a whole number from 1'),
  row('conv2d', window, ['f32[B,4,4,3]', 'f16[3,3,3,8]'], 'ZZ2006', 'f32[B,4,4,3] and f16[3,3,3,8]: operands are all f32 or all f16'),
  row('conv2d_input_grad', { ...window, size: [8, 8] }, ['f32[B,4,4,8]', 'f32[3,3,3,8]'], 'ZZ3002', 'dy is [B,4,4,8], but the convolution of an image of 8x8 is [B,8,8,8]'),
  row('conv2d_input_grad', { ...window, size: [4, 4] }, ['f32[B,4,4,7]', 'f32[3,3,3,8]'], 'ZZ3003', '[B,4,4,7] has 7 channels, but the filter [3,3,3,8] gives 8'),
  row('conv2d_input_grad', { ...window, size: [4] }, ['f32[B,4,4,8]', 'f32[3,3,3,8]'], 'ZZ2007', 'the width of size is 0, but must be a whole number from 1'),
  row('conv2d_input_grad', { ...window, size: [4, 4, 4] }, ['f32[B,4,4,8]', 'f32[3,3,3,8]'], 'ZZ2007', 'size is [4,4,4], but must be [height,width]'),
  row('conv2d_input_grad', { ...valid, size: [2, 2] }, ['f32[B,1,1,8]', 'f32[3,3,3,8]'], 'ZZ3004', 'a 3x3 window does not fit an image of 2x2 without padding'),
  row('conv2d_filter_grad', { ...window, k: 3 }, ['f32[B,4,4,3]', 'f32[B,2,2,8]'], 'ZZ3002', 'dy is [B,2,2,8], but the convolution of [B,4,4,3] is [B,4,4,8]'),
  row('conv2d_filter_grad', { ...window, k: 3 }, ['f32[B,4,4,3]', 'f32[2B,4,4,8]'], 'ZZ3002', 'dy is [2B,4,4,8], but the convolution of [B,4,4,3] is [B,4,4,8]'),
  row('conv2d_filter_grad', { ...window, groups: 2, k: 1 }, ['f32[B,4,4,3]', 'f32[B,4,4,8]'], 'ZZ3005', '2 groups do not divide the 3 channels of [B,4,4,3]'),
  row('conv2d_filter_grad', { ...window, groups: 2, k: 1 }, ['f32[B,4,4,4]', 'f32[B,4,4,5]'], 'ZZ3005', '2 groups do not divide the 5 channels of [B,4,4,5]'),
  row('conv2d_filter_grad', { ...window, k: 0 }, ['f32[B,4,4,3]', 'f32[B,4,4,8]'], 'ZZ2007', 'k is 0, but must be a whole number from 1'),

  row('avgpool', { k: 3 }, ['f32[B,2,4,1]'], 'ZZ3004', 'a 3x3 window does not fit an image of 2x4'),
  row('maxpool', { k: 0 }, ['f32[B,2,4,1]'], 'ZZ2007', 'k is 0, but must be a whole number from 1'),
  row('maxpool', { k: 2 }, ['f32[B,10]'], 'ZZ3002', '[B,10] has 2 axes, but an image [batch,height,width,channels] has 4'),
  row('maxpool_grad', { k: 2 }, ['f32[B,5,5,1]', 'f32[B,3,3,1]'], 'ZZ3002', 'dy is [B,3,3,1], but the pooled [B,5,5,1] is [B,2,2,1]'),

  row('softmax_cross_entropy', { label_smoothing: 0 }, ['f32[B,4,4,10]', 'i32[B]'], 'ZZ3012', 'logits are [B,4,4,10], but must be [batch,classes]'),
  row('softmax_cross_entropy', { label_smoothing: 0 }, ['f32[B,10]', 'f32[B]'], 'ZZ2006', 'labels are f32[B], but must be i32'),
  row('softmax_cross_entropy', { label_smoothing: 0 }, ['f32[2B,10]', 'i32[B]'], 'ZZ3012', 'logits are [2B,10], labels [B]: there must be one row of class scores for every label'),
  row('count_correct', {}, ['f32[10]', 'i32[B]'], 'ZZ3012', 'logits are [10], but must be [batch,classes]'),
  row('count_correct', {}, ['i32[B,10]', 'i32[B]'], 'ZZ2006', 'i32[B,10]: operands are all f32 or all f16'),
  row('softmax_cross_entropy_grad', { label_smoothing: 0 }, ['f32[B,10]', 'i32[B]', 'f32[1]'], 'ZZ3002', 'dloss is [1], but the loss is []'),
];

describe('what shape rules refuse', () => {
  it.each(BAD)('%s %j of %j: %s %s', (kind, attrs, operands, code, message) => {
    let thrown: unknown;
    try {
      inferType(kind, attrs as Attrs<typeof kind>, operands.map(type));
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(ShapeError);
    expect(thrown).toMatchObject({ code, message });
  });

  it('has a refusal for every kind of rule', () => {
    const refused = new Set<unknown>(BAD.map(([kind]) => SHAPES[kind]));
    const always = new Set<unknown>([SHAPES.scalar, SHAPES.call, SHAPES.identity]);
    expect(OP_KINDS.filter((kind) => !refused.has(SHAPES[kind]) && !always.has(SHAPES[kind]))).toEqual([]);
  });
});
