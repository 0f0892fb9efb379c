import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Graph, Node } from '../../compiler/2-graph/graph.ts';
import { verify, VerifyError } from '../../compiler/2-graph/verify.ts';
import { OP_KINDS } from '../../compiler/2-graph/ops.ts';
import { type } from './cases.ts';
import { at, everything, randomGraph, SETTINGS, smallGraph } from './graphs.ts';

function problemsOf(graph: Graph): readonly string[] {
  try {
    verify(graph);
    return [];
  } catch (error) {
    expect(error).toBeInstanceOf(VerifyError);
    return (error as VerifyError).problems;
  }
}

describe('sound graphs', () => {
  it('accepts the small graph and one with every operation', () => {
    expect(problemsOf(smallGraph())).toEqual([]);
    expect(problemsOf(everything())).toEqual([]);
    expect(new Set(everything().nodes.map((node) => node.kind))).toEqual(new Set(OP_KINDS));
  });

  it('accepts random graphs', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0 }), (seed) => {
        const graph = randomGraph(seed);
        expect(graph.nodes.length).toBeGreaterThan(10);
        expect(problemsOf(graph)).toEqual([]);
      }),
      { seed: 3, numRuns: 100 },
    );
  });
});

type Damage = (graph: Graph) => Graph;

/** Replaces fields of one node. */
const node =
  (id: string, change: object): Damage =>
  (graph) => ({ ...graph, nodes: graph.nodes.map((old) => (old.id === id ? ({ ...old, ...change } as Node) : old)) });
const attrs =
  (id: string, change: object): Damage =>
  (graph) => node(id, { attrs: { ...graph.nodes.find((old) => old.id === id)?.attrs, ...change } })(graph);
const region =
  (change: object): Damage =>
  (graph) => ({ ...graph, regions: graph.regions.map((old) => ({ ...old, ...change })) });
const inner =
  (change: object): Damage =>
  (graph) => ({ ...graph, regions: graph.regions.map((old) => ({ ...old, nodes: old.nodes.map((body) => ({ ...body, ...change }) as Node) })) });
const graphWith =
  (change: Partial<Graph>): Damage =>
  (graph) => ({ ...graph, ...change });
const train = (change: object): Damage => graphWith({ train: { ...SETTINGS, ...change } });
const step = (change: object): Damage => graphWith({ views: [{ name: 'image', parts: [{ source: 'image', steps: [change as never] }] }] });
const swap =
  (a: number, b: number): Damage =>
  (graph) => ({ ...graph, nodes: graph.nodes.map((old, i) => (i === a ? (graph.nodes[b] as Node) : i === b ? (graph.nodes[a] as Node) : old)) });

// The small graph's values: image, labels, w.L.1, m.w.L.1, 0 call, 1 reduce_mean, 2 loss, 3 correct, 4 adjoint, 5 square, 6 sub.
const DAMAGES: readonly (readonly [string, Damage, readonly string[]])[] = [
  ['an operand that nothing defines', node('5', { inputs: ['nowhere'] }), ['%5 square: operand %nowhere is not defined']],
  ['an operand that is the value itself', node('5', { inputs: ['5'] }), ['%5 square: uses itself']],
  ['a use before the definition', swap(9, 10), ['%6 sub: operand %5 is defined after its use']],
  ['a weight after the call whose region reads it', (graph) => ({ ...graph, nodes: [...graph.nodes.slice(0, 2), graph.nodes[4] as Node, ...graph.nodes.slice(2, 4), ...graph.nodes.slice(5)] }), ['%0 call: region Recurrent.L reads %w.L.1, which is defined after this call']],
  ['an id used twice', node('6', { id: '5', inputs: ['w.L.1', 'w.L.1'] }), ['%5 sub: is defined twice', 'update %w.L.1: %6 is not defined']],
  ['an id with a blank', (graph) => ({ ...graph, nodes: [...graph.nodes, { ...(graph.nodes[1] as Node), id: 'a b' }] }), ['%a b labels: its id is not made of letters, digits, _, . and -']],
  ['too few operands', node('6', { inputs: ['5'] }), ['%6 sub: sub takes 2 operands, not 1']],
  ['too many operands', node('5', { inputs: ['w.L.1', 'w.L.1'] }), ['%5 square: square takes 1 operand, not 2']],
  ['an unknown operation', node('5', { kind: 'cube' }), ['%5 cube: there is no such operation']],
  ['an operation named like a property of every object', node('5', { kind: 'constructor' }), ['%5 constructor: there is no such operation']],
  ['a wrong shape', node('1', { type: type('f32[B,7]') }), ['%1 reduce_mean: its type is f32[B,7], but must be f32[B,8]']],
  ['a wrong dtype', node('5', { type: type('f16[3,3,3,8]') }), [
    '%5 square: its type is f16[3,3,3,8], but must be f32[3,3,3,8]',
    '%6 sub: f32[3,3,3,8] and f16[3,3,3,8]: operands are all f32 or all f16 (ZZ2006)',
    'gradient %w.L.1: %5 is f16[3,3,3,8], but %w.L.1 is f32[3,3,3,8]',
    'update %m.w.L.1: %5 is f16[3,3,3,8], but %m.w.L.1 is f32[3,3,3,8]',
  ]],
  ['a batch where there is none', node('5', { type: type('f32[3,3,3B,8]') }), [
    '%5 square: its type is f32[3,3,3B,8], but must be f32[3,3,3,8]',
    '%6 sub: [3,3,3,8] and [3,3,3B,8] do not broadcast: axis 2 is 3 and 3B (ZZ3001)',
    'gradient %w.L.1: %5 is f32[3,3,3B,8], but %w.L.1 is f32[3,3,3,8]',
    'update %m.w.L.1: %5 is f32[3,3,3B,8], but %m.w.L.1 is f32[3,3,3,8]',
  ]],
  ['operands that do not fit', node('6', { inputs: ['w.L.1', 'image'] }), ['%6 sub: [3,3,3,8] and [B,4,4,3] do not broadcast: axis 0 is 3 and B (ZZ3001)']],
  ['a length of 0', node('labels', { type: type('i32[0]') }), ['%labels labels: [0]: dimensions are whole numbers from 1, not 0', ...['%2 softmax_cross_entropy', '%3 count_correct'].map((where) => `${where}: logits are [B,8], labels [0]: there must be one row of class scores for every label (ZZ3012)`)]],

  ['an attribute that is missing', node('1', { attrs: { axes: [1, 2] } }), ['%1 reduce_mean: lacks the attribute keep']],
  ['an attribute too many', attrs('1', { colour: 'red' }), ['%1 reduce_mean: has no attribute colour']],
  ['a bool that is a text', attrs('1', { keep: 'yes' }), ['%1 reduce_mean: attribute keep is "yes", but must be true or false']],
  ['axes that are no whole numbers', attrs('1', { axes: [1, 1.5] }), ['%1 reduce_mean: attribute axes is [1,1.5], but must be a list of whole numbers']],
  ['axes that are one number', attrs('1', { axes: 1 }), ['%1 reduce_mean: attribute axes is 1, but must be a list of whole numbers']],
  ['axes with a negative zero', attrs('1', { axes: [-0, 2] }), ['%1 reduce_mean: attribute axes is [0,2], but must be a list of whole numbers']],
  ['an axis that is not there', attrs('1', { axes: [4] }), ['%1 reduce_mean: [B,4,4,8] has no axis 4: it has 4 axes (ZZ3008)']],
  ['an enum value that is not there', attrs('w.L.1', { init: 'hee' }), ['%w.L.1 weight: attribute init is "hee", but must be one of he, glorot, normal, truncated_normal, orthogonal, zeros, ones']],
  ['a float that is a text', attrs('w.L.1', { std: '1' }), ['%w.L.1 weight: attribute std is "1", but must be a number']],
  ['a negative deviation', attrs('w.L.1', { std: -1 }), ['%w.L.1 weight: attribute std is -1, but must be at least 0']],
  ['label smoothing of 1', attrs('2', { label_smoothing: 1 }), ['%2 softmax_cross_entropy: attribute label_smoothing is 1, but must be from 0 to below 1']],
  ['label smoothing that is no number', attrs('2', { label_smoothing: NaN }), ['%2 softmax_cross_entropy: attribute label_smoothing is NaN, but must be from 0 to below 1']],
  ['a shape that is none', attrs('image', { shape: ['B', 'C'] }), ['%image input: attribute shape is ["B","C"], but must be a shape']],
  ['a text that is a number', attrs('0', { region: 3 }), ['%0 call: attribute region is 3, but must be a text']],
  ['another shape than the type', attrs('image', { shape: ['B', 4, 4, 2] }), ['%image input: its type is f32[B,4,4,3], but must be f32[B,4,4,2]']],

  ['a location on line 0', node('5', { locs: [at(0, 1, 0, 1)] }), ['%5 square: case-b.zz:0:1 (0 to 1) is no location']],
  ['a span that ends before it starts', node('5', { locs: [at(1, 1, 5, -1)] }), ['%5 square: case-b.zz:1:1 (5 to 4) is no location']],
  ['half a step', node('5', { tags: { step: 0.5 } }), ['%5 square: tag step is 0.5, but must be a whole number from 0']],
  ['a negative stage', node('5', { tags: { stage: -1 } }), ['%5 square: tag stage is -1, but must be a whole number from 0']],

  ['a call of no region', attrs('0', { region: 'R' }), ['%0 call: there is no region R above']],
  ['a call with too many arguments', node('0', { inputs: ['image', 'image'] }), ['%0 call: region Recurrent.L takes 1 argument, not 2']],
  ['a call with an argument of another type', node('0', { inputs: ['w.L.1'] }), ['%0 call: argument %w.L.1 is f32[3,3,3,8], but %x of region Recurrent.L is f32[B,4,4,3]']],
  ['a call of another type than its region', node('0', { type: type('f32[B,4,4,9]') }), [
    '%0 call: its type is f32[B,4,4,9], but region Recurrent.L gives f32[B,4,4,8]',
    '%1 reduce_mean: its type is f32[B,8], but must be f32[B,9]',
    '%4 adjoint: its type is f32[B,4,4,8], but must be f32[B,4,4,9]',
    'route grad(%0): %4 is f32[B,4,4,8], but %0 is f32[B,4,4,9]',
  ]],
  ['a region that reads a value of the graph', inner({ inputs: ['image', 'w.L.1'] }), ['region Recurrent.L: %0 conv2d: operand %image is not defined']],
  ['a region whose result is not there', region({ result: 'z' }), ['region Recurrent.L: its result %z is not defined']],
  ['a region with a parameter twice', region({ params: [1, 2].map(() => ({ id: 'x', type: type('f32[B,4,4,3]') })) }), ['region Recurrent.L: parameter %x: is defined twice', '%0 call: region Recurrent.L takes 2 arguments, not 1']],
  ['a parameter with the name of a weight', region({ params: [{ id: 'w.L.1', type: type('f32[B,4,4,3]') }], nodes: [], result: 'w.L.1' }), [
    'region Recurrent.L: %w.L.1 hides a weight or state of the graph',
    '%0 call: its type is f32[B,4,4,8], but region Recurrent.L gives f32[B,4,4,3]',
  ]],
  ['a weight inside a region', (graph) => region({ nodes: [...(graph.regions[0]?.nodes ?? []), { ...(graph.nodes[2] as Node), id: 'own' }] })(graph), ['region Recurrent.L: %own weight: belongs to the graph, not to a region']],
  ['a region that calls itself', inner({ kind: 'call', attrs: { region: 'Recurrent.L' }, inputs: ['x'] }), ['region Recurrent.L: %0 call: there is no region Recurrent.L above']],
  ['two regions of one name', (graph) => ({ ...graph, regions: [...graph.regions, ...graph.regions] }), ['region Recurrent.L: is defined twice']],
  ['a wrong type inside a region', inner({ type: type('f32[B,4,4,9]') }), ['region Recurrent.L: %0 conv2d: its type is f32[B,4,4,9], but must be f32[B,4,4,8]', '%0 call: its type is f32[B,4,4,8], but region Recurrent.L gives f32[B,4,4,9]']],

  ['an output that is not there', graphWith({ outputs: [{ name: 'y', value: 'z' }] }), ['output y: %z is not defined']],
  ['two outputs of one name', graphWith({ outputs: ['1', '2'].map((value) => ({ name: 'y', value })) }), ['output y: is given twice']],
  ['a loss that is no scalar', graphWith({ loss: '1' }), ['loss: %1 is f32[B,8], but must be f32[]']],
  ['a loss that is not there', graphWith({ loss: 'z' }), ['loss: %z is not defined']],
  ['logits that are an image', graphWith({ classifier: { logits: 'image', correct: '3' } }), ['classifier: %image is f32[B,4,4,3], but must be rows of class scores']],
  ['a count that is no scalar', graphWith({ classifier: { logits: '1', correct: '1' } }), ['classifier: %1 is f32[B,8], but must be f32[]']],
  ['a route from a value that is not there', graphWith({ routes: [{ target: 'z', mode: '+=', value: '4' }] }), ['route grad(%z): %z is not defined']],
  ['a route of another shape', graphWith({ routes: [{ target: '1', mode: '+=', value: '4' }] }), ['route grad(%1): %4 is f32[B,4,4,8], but %1 is f32[B,8]']],
  ['two routes that replace one adjoint', graphWith({ routes: [1, 2].map(() => ({ target: '0', mode: '=', value: '4' })) }), ['route = %0: is given twice']],
  ['a gradient of no weight', graphWith({ gradients: [{ weight: '5', value: '5' }] }), ['gradient %5: %5 is of kind square, not weight']],
  ['a gradient of another shape', graphWith({ gradients: [{ weight: 'w.L.1', value: '1' }] }), ['gradient %w.L.1: %1 is f32[B,8], but %w.L.1 is f32[3,3,3,8]']],
  ['two gradients of one weight', graphWith({ gradients: [1, 2].map(() => ({ weight: 'w.L.1', value: '5' })) }), ['gradient %w.L.1: is given twice']],
  ['an update of an input', graphWith({ updates: [{ target: 'image', value: 'image' }] }), ['update %image: %image is of kind input, not weight or state']],
  ['an update of another shape', graphWith({ updates: [{ target: 'm.w.L.1', value: '2' }] }), ['update %m.w.L.1: %2 is f32[], but %m.w.L.1 is f32[3,3,3,8]']],
  ['two updates of one state', graphWith({ updates: [1, 2].map(() => ({ target: 'm.w.L.1', value: '5' })) }), ['update %m.w.L.1: is given twice']],

  ['an input without a view', graphWith({ views: [] }), ['input image: has no view']],
  ['a view without an input', (graph) => ({ ...graph, views: [...graph.views, { name: 'other', parts: [{ source: 'image', steps: [] }] }] }), ['view other: there is no input of this name']],
  ['two views of one name', (graph) => ({ ...graph, views: [...graph.views, ...graph.views] }), ['view image: is given twice']],
  ['a view that reads nothing', graphWith({ views: [{ name: 'image', parts: [] }] }), ['view image: reads no input']],
  ['a chance above 1', step({ op: 'hflip', p: 1.5 }), ['view image: hflip is out of range']],
  ['a chance that is no number', step({ op: 'sometimes', p: NaN, then: { op: 'crop', pad: 1 } }), ['view image: sometimes is out of range']],
  ['an inner augmentation out of range', step({ op: 'sometimes', p: 1, then: { op: 'crop', pad: 1.5 } }), ['view image: crop is out of range']],
  ['a range that runs backwards', step({ op: 'blur', sigma: [1, 0.5] }), ['view image: blur is out of range']],
  ['a cutout of half a pixel', step({ op: 'cutout', size: 0.5 }), ['view image: cutout is out of range']],
  ['negative brightness', step({ op: 'brightness', delta: -1 }), ['view image: brightness is out of range']],
  ['infinite noise', step({ op: 'noise', sigma: Infinity }), ['view image: noise is out of range']],
  ['sometimes within sometimes without end', step(Array.from({ length: 200 }).reduce<object>((then) => ({ op: 'sometimes', p: 1, then }), { op: 'crop', pad: 0 })), ['view image: augmentations are nested more than 100 deep']],

  ['a batch of 0', train({ batch: 0 }), ['train: batch is 0, but must be a whole number from 1']],
  ['half an epoch', train({ epochs: 0.5 }), ['train: epochs is 0.5, but must be a whole number from 0']],
  ['a seed that is no whole number', train({ seed: 1e300 }), ['train: seed is 1e+300, but must be a whole number']],
  ['a negative clipping norm', train({ clipNorm: -1 }), ['train: clip_norm is -1, but must be at least 0']],
  ['an infinite weight decay', train({ weightDecay: Infinity }), ['train: weight_decay is Infinity, but must be at least 0']],
  ['a learning rate that is no number', train({ optimizer: { ...SETTINGS.optimizer, lr: NaN } }), ['train: lr is NaN, but must be at least 0']],
  ['a negative warmup', train({ schedule: { kind: 'cosine', warmup: -5 } }), ['train: warmup is -5, but must be at least 0']],
];

describe('what the verifier reports', () => {
  it.each(DAMAGES)('%s', (_name, damage, problems) => {
    expect(problemsOf(damage(smallGraph()))).toEqual(problems);
  });

  it('lists the problems in its message, all of them', () => {
    const damaged = graphWith({ loss: 'z', views: [] })(smallGraph());
    expect(() => verify(damaged)).toThrow('the graph is not well formed:\n  loss: %z is not defined\n  input image: has no view');
  });
});
