// The example nets: clean, well formed, and of the sizes that a count by hand gives.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkProgram } from '../../compiler/2-graph/build.ts';
import { verify } from '../../compiler/2-graph/verify.ts';
import { unroll } from '../../compiler/3-passes/unroll.ts';
import { node, ofKind, outputShape, parameterCount, programAt, ROOT, showDiagnostic, sound, weightsOf } from './helpers.ts';

const examples = readdirSync(join(ROOT, 'dsl-examples')).filter((file) => file.endsWith('.zz')).sort();
const example = (name: string) => programAt(`dsl-examples/${name}.zz`);
const netNames: Readonly<Record<string, string>> = { 'residual.zz': 'Residual' };
const chosen = (file: string) => (netNames[file] === undefined ? {} : { net: netNames[file] });

describe.each(examples)('%s', (file) => {
  it('is clean', () => {
    const notes = file === 'case-e-manual.zz' ? ['ZZ4101'] : [];
    expect(checkProgram(programAt(`dsl-examples/${file}`)).map(({ code }) => code)).toEqual(notes);
  });

  it.each(['train', 'evaluate'] as const)('gives class scores, a loss and an accuracy to %s, unrolled or not, at any width', (mode) => {
    for (const width of [1, 0.5, 0.1]) {
      const graph = sound(programAt(`dsl-examples/${file}`), { mode, width, ...chosen(file) });
      expect(outputShape(graph)).toMatch(mode === 'train' ? /^\[2?B,10\]$/ : /^\[B,10\]$/);
      expect(graph.loss).toBeDefined();
      expect(node(graph, graph.classifier?.correct).kind).toBe('count_correct');
      const flat = unroll.run(graph);
      verify(flat);
      expect(flat.nodes.some(({ kind }) => kind === 'call' || kind === 'route')).toBe(false);
      expect(flat.regions).toEqual([]);
    }
  });
});

describe('parameter counts', () => {
  // Filters of k by k by inputs by outputs, no biases.
  const filter = (k: number, inputs: number, outputs: number): number => k * k * inputs * outputs;
  const cell = filter(3, 3, 96) + filter(1, 96, 96);
  const head = 3 * filter(3, 192, 192) + 2 * filter(1, 192, 192) + filter(1, 192, 10);
  const plain = filter(3, 3, 96) + filter(3, 96, 96) + filter(3, 96, 192) + 3 * filter(3, 192, 192) + 3 * filter(1, 192, 192) + filter(1, 192, 10);
  const stem = filter(3, 3, 96) + filter(3, 96, 96);
  const twinHead = filter(1, 384, 192) + filter(1, 192, 10);
  const stack = filter(3, 96, 192) + filter(3, 192, 192) + filter(1, 192, 192);
  const crossed = filter(3, 192, 192) + filter(3, 384, 192) + filter(1, 384, 192);

  it.each([
    ['case-a', 2 * cell + head, 1_094_592],
    ['case-b', 2 * cell + head, 1_094_592],
    ['case-c', 2 * cell + head, 1_094_592],
    ['case-d', plain, 1_359_264],
    ['case-e', stem + 2 * stack + twinHead, 1_230_240],
    ['case-e-crossed', stem + 2 * crossed + twinHead, 2_299_296],
    ['case-e-manual', plain, 1_359_264],
  ])('%s', (name, formula, total) => {
    expect(formula).toBe(total);
    expect(parameterCount(sound(example(name)))).toBe(total);
  });
});

describe('the cases', () => {
  const routes = (name: string) => {
    const graph = sound(example(name));
    return ofKind(graph, 'route').filter(({ attrs }) => attrs.form !== 'init').map(({ attrs, tags }) => `${tags.stream}${tags.step} ${attrs.form}`);
  };

  it.each([
    ['case-a', ['straight', 'straight', 'straight', 'straight']],
    ['case-b', ['straight', 'zigzag', 'zigzag', 'zigzag']],
    ['case-c', ['straight', 'zigzag', 'straight', 'zigzag']],
  ])('%s takes its states as declared', (name, forms) => {
    expect(routes(name)).toEqual(forms.flatMap((form, t) => [`L${t} ${form}`, `R${t} ${form}`]));
  });

  it('case-b: crossed states come from the other stream', () => {
    const graph = sound(example('case-b'));
    for (const call of ofKind(graph, 'call')) {
      const { stream, step = 0 } = call.tags;
      const route = node(graph, call.inputs[1]);
      const from = node(graph, route.inputs[0]);
      const other = stream === 'L' ? 'R' : 'L';
      expect([from.tags.stream, from.tags.step]).toEqual(step === 0 ? [stream, undefined] : [other, step - 1]);
      expect(node(graph, call.inputs[0]).id).toBe(step % 2 === 0 ? 'image' : 'flipped');
      expect(call.attrs.region).toBe(`Recurrent.${stream}`);
    }
  });

  it('case-b: names its weights by stream', () => {
    expect(weightsOf(sound(example('case-b')))).toEqual({
      'w.L.1': '[3,3,3,96]',
      'w.L.2': '[1,1,96,96]',
      'w.R.1': '[3,3,3,96]',
      'w.R.2': '[1,1,96,96]',
      'w.1': '[3,3,192,192]',
      'w.2': '[3,3,192,192]',
      'w.3': '[1,1,192,192]',
      'w.4': '[3,3,192,192]',
      'w.5': '[1,1,192,192]',
      'w.6': '[1,1,192,10]',
    });
  });

  it('case-d: doubles the batch and its labels while training only', () => {
    const [training, evaluating] = [sound(example('case-d')), sound(example('case-d'), { mode: 'evaluate' })];
    expect(training.views).toEqual([
      {
        name: 'both_ways',
        parts: [
          { source: 'image', steps: [] },
          { source: 'image', steps: [{ op: 'hflip', p: 1 }, { op: 'sometimes', p: 0.1, then: { op: 'blur', sigma: [0, 0.5] } }] },
        ],
      },
    ]);
    expect(ofKind(training, 'labels').map(({ id, type }) => [id, type.shape])).toEqual([['labels.2', ['2B']]]);
    expect(evaluating.views).toEqual([{ name: 'image', parts: [{ source: 'image', steps: [] }] }]);
    expect(ofKind(evaluating, 'labels').map(({ id, type }) => [id, type.shape])).toEqual([['labels', ['B']]]);
  });

  it('case-e: the three stages of each stream have weights of their own', () => {
    const graph = sound(example('case-e'));
    expect(ofKind(graph, 'conv2d').filter(({ tags }) => tags.stage !== undefined).map(({ tags, inputs }) => `${tags.stage} ${tags.stream} ${inputs[1]}`)).toEqual([
      '0 L w.L.1', '0 R w.R.1', '1 L w.L.2', '1 R w.R.2', '2 L w.L.3', '2 R w.R.3',
    ]);
  });

  it('case-e-manual: declares eight routes, one of them adding', () => {
    const { routes: declared } = sound(example('case-e-manual'));
    expect(declared.map(({ mode }) => mode)).toEqual(['=', '=', '=', '=', '=', '=', '=', '+=']);
  });

  it.each([['case-a'], ['case-d'], ['case-e']])('%s: at a quarter of the width the class scores stay ten', (name) => {
    const weights = Object.values(weightsOf(sound(example(name), { width: 0.25 })));
    expect(weights.filter((shape) => shape.endsWith(',10]'))).toEqual(['[1,1,48,10]']);
    expect(weights.filter((shape) => !/,(24|48)(,10)?\]$/.test(shape))).toEqual([]);
  });

  it('settings of case-b', () => {
    expect(sound(example('case-b')).train).toEqual({
      dataset: 'cifar10',
      optimizer: { kind: 'adam', lr: 8e-5, beta1: 0.9, beta2: 0.9, eps: 1e-8 },
      schedule: { kind: 'constant' },
      batch: 25,
      epochs: 21,
      seed: 678,
      normalize: 'per_batch',
      weightDecay: 0,
      clipNorm: 0,
    });
  });
});

it('diagnostics of examples are shown by code and place', () => {
  expect(checkProgram(example('case-e-manual')).map(showDiagnostic)).toEqual(['ZZ4101 25:3']);
});
