// Whole nets as ONNX files: what they give in onnxruntime, what ONNX's checker says of them, and what the files hold.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { bindBatch } from '../../compiler/2-graph/bind.ts';
import { loadProgram, memoryReader } from '../../compiler/2-graph/build.ts';
import type { Graph } from '../../compiler/2-graph/graph.ts';
import { concreteShape } from '../../compiler/2-graph/types.ts';
import { evaluate } from '../../compiler/4-kernels/evaluate.ts';
import { compileNet } from '../../compiler/compile.ts';
import { emitOnnx, onnxModel } from '../../compiler/5-emit/onnx/emit.ts';
import type { OnnxAttribute, OnnxModel, OnnxValue } from '../../compiler/5-emit/onnx/model.ts';
import type { PixelStatistics } from '../../compiler/5-emit/onnx/pixels.ts';
import { companionsOf, normalizeAmong, normalizeChannels } from '../../runtime/data/normalize.ts';
import { initialWeight } from '../../runtime/init.ts';
import { uniforms } from '../../runtime/random.ts';
import { EXAMPLES } from '../gradients/examples.ts';
import { relativeError } from '../kernels/cases.ts';
import { mixedNet, MIXED } from '../passes/mixed-nets.ts';
import { example, randomFeeds } from '../passes/nets.ts';
import { randomNet } from '../passes/random-nets.ts';
import { checkOnnx, missing, noChecker, noDefinitions, readOnnx, runOnnx, skipped, uncheckable, unreadable } from './harness.ts';

const TOLERANCE = 1e-5;

/** A net's graph for evaluation, of any batch. */
function evaluationGraph(source: string, net?: string, width = 1): Graph {
  const program = loadProgram('net.zz', memoryReader({ 'net.zz': source }));
  const { graph, diagnostics } = compileNet(program, net, { mode: 'evaluate', width });
  if (!graph) throw new Error([...program.diagnostics, ...diagnostics].map(({ message }) => message).join('; '));
  return graph;
}

/** The graph's weights as training begins with them, states of any kind, and an input for a batch. */
function valuesOf(graph: Graph, batch: number, seed: number) {
  const bound = bindBatch(graph, batch);
  const fresh = bound.nodes.flatMap((node) => (node.kind === 'weight' && node.attrs.init !== 'zeros' ? [[node.id, initialWeight(node.id, node.attrs.shape, node.attrs, seed)] as const] : []));
  const feeds = new Map([...randomFeeds(bound, seed), ...fresh]);
  const shaped = new Map(bound.nodes.flatMap(({ id, type }) => {
    const data = feeds.get(id);
    return data ? [[id, { data: type.dtype === 'i32' ? Int32Array.from(data) : data, shape: concreteShape(type.shape) }] as const] : [];
  }));
  const tensors = new Map([...shaped].flatMap(([id, { data, shape }]) => (data instanceof Float32Array ? [[id, { data, shape }] as const] : [])));
  return { bound, feeds, shaped, tensors };
}

/** Runs the file of a net at several batch sizes, each against the evaluator. */
async function expectSameOutputs(graph: Graph, seed = 1): Promise<void> {
  for (const batch of [1, 3]) {
    const { bound, feeds, shaped, tensors } = valuesOf(graph, batch, seed);
    const found = await runOnnx(emitOnnx(graph, { tensors, version: '0' }), shaped);
    const wanted = evaluate(bound, feeds, { precision: 'f32', wanted: bound.outputs.map(({ value }) => value) });
    const names = graph.outputs.map(({ name }) => (graph.nodes.some(({ id }) => id === name) ? `${name}.output` : name));
    expect([...found.keys()]).toEqual(names);
    bound.outputs.forEach(({ value }, i) => {
      const name = names[i] ?? '';
      expect(found.get(name)?.dims).toEqual(bound.nodes.find(({ id }) => id === value)?.type.shape);
      expect(relativeError(found.get(name)?.data ?? [], wanted.get(value) ?? []), name).toBeLessThan(TOLERANCE);
    });
  }
}

const folder = mkdtempSync(join(tmpdir(), 'zigzag-onnx-'));
afterAll(() => { rmSync(folder, { recursive: true }); });

const exampleGraph = (name: string): Graph => {
  const [file = '', net = ''] = name.split(':');
  return evaluationGraph(example(file), net === '' ? undefined : net, 0.1);
};

describe.skipIf(missing)(`onnxruntime gives the outputs of the evaluator${skipped}`, () => {
  for (const name of EXAMPLES) test(name, () => expectSameOutputs(exampleGraph(name)));
  for (const name of Object.keys(MIXED)) test(name, () => expectSameOutputs(evaluationGraph(mixedNet(name))));
  test('random nets', async () => {
    for (let seed = 1; seed <= 60; seed++) await expectSameOutputs(evaluationGraph(randomNet(seed)), seed);
  });
  test('constants of the size of images, beside images and in their place', () =>
    expectSameOutputs(evaluationGraph('net N { input image: [4, 6, 2]\n features = image -> conv(3)\n output all = concat(features, ones([4, 6, 2]), zeros([4, 6, 1]))\n output rows = concat(features, ones([2, 6, 3]), axis: 1)\n output edge = ones([4, 6, 2]) -> conv(3) -> avgpool(2) }')));
  test('outputs of every kind: images, an input, a weight\'s own value, a loss, one value under two names', () =>
    expectSameOutputs(evaluationGraph('net N { input image: [4, 4, 2]\n features = image -> conv(3)\n output features\n output again = features\n output image\n logits = features -> globalavgpool\n output logits\n output l = softmax_cross_entropy(logits, label_smoothing: 0.2)\n loss l }')));
});

describe.skipIf(missing)(`pixels are normalised in the file where the statistics are known${skipped}`, () => {
  const shape = [4, 5, 3] as const;
  const size = 60;
  const graph = evaluationGraph('net N { input image: [4, 5, 3]\n view shaken = image -> hflip\n logits = shaken -> conv(3) -> relu -> globalavgpool\n output logits\n output image }');
  const next = uniforms(4);
  const images = Float32Array.from({ length: 3 * size }, (_, i) => (i % size === 7 ? 0.25 : next()));

  async function expectNormalised(pixels: PixelStatistics, normalise: (readings: Float32Array) => void): Promise<void> {
    const { tensors } = valuesOf(graph, 3, 1);
    const readings = images.slice();
    normalise(readings);
    const bound = bindBatch(graph, 3);
    const wanted = evaluate(bound, new Map([...[...tensors].map(([id, { data }]) => [id, data] as const), ['image', readings]]), { precision: 'f32', wanted: bound.outputs.map(({ value }) => value) });
    const file = emitOnnx(graph, { tensors, version: '0', pixels });
    const found = await runOnnx(file, new Map([['image', { data: images, shape: [3, ...shape] }]]));
    expect([...found.keys()]).toEqual(['logits', 'image.output']);
    expect(relativeError(found.get('logits')?.data ?? [], wanted.get(graph.outputs[0]?.value ?? '') ?? [])).toBeLessThan(TOLERANCE);
    expect(relativeError(found.get('image.output')?.data ?? [], readings)).toBeLessThan(TOLERANCE);
    const model = onnxModel(graph, { tensors, version: '0', pixels });
    expect([model.metadata['zigzag.input'], model.inputs[0]?.doc]).toEqual(['pixels', 'pixels from 0 to 1']);
    if (noChecker === undefined) {
      writeFileSync(join(folder, 'pixels.onnx'), file);
      expect(checkOnnx([join(folder, 'pixels.onnx')])).toBe('');
    }
  }

  test('of each channel', () => {
    const statistics = { mean: [0.4, 0.5, 0.6], std: [0.2, 0, 0.3] };
    return expectNormalised({ kind: 'channel', ...statistics }, (readings) => { normalizeChannels(readings, statistics); });
  });
  test('among companions, one pixel of which never changes', () => {
    const companions = companionsOf(Float32Array.from({ length: 9 * size }, (_, i) => (i % size === 7 ? 0.25 : next())), size);
    return expectNormalised({ kind: 'among', shape, ...companions }, (readings) => { normalizeAmong(readings, companions); });
  });
});

describe.skipIf(noChecker)(`ONNX's own checker, with shapes inferred${uncheckable}`, () => {
  test('finds nothing wrong with any of the nets', () => {
    const graphs = [...EXAMPLES.map(exampleGraph), ...Object.keys(MIXED).map((name) => evaluationGraph(mixedNet(name)))];
    const paths = graphs.map((graph, i) => {
      const path = join(folder, `${i}.onnx`);
      writeFileSync(path, emitOnnx(graph, { tensors: valuesOf(graph, 1, 1).tensors, version: '0' }));
      return path;
    });
    expect(checkOnnx(paths)).toBe('');
  });
});

/** What a reader of ONNX's definitions should find in a file. */
function fieldsOf({ name, producer, doc, metadata, inputs, outputs, initializers, nodes, values }: OnnxModel): Readonly<Record<string, unknown>> {
  const codes = { float: 1, int32: 6, int64: 7, bool: 9 };
  const list = <K extends string, T>(key: K, items: readonly T[]): Partial<Record<K, readonly T[]>> => (items.length === 0 ? {} : ({ [key]: items } as Record<K, readonly T[]>));
  const value = ({ name: of, type, shape, doc: says }: OnnxValue): object => ({
    name: of,
    type: { tensorType: { elemType: codes[type], shape: list('dim', shape.map((dim) => (typeof dim === 'number' ? { dimValue: dim } : { dimParam: dim }))) } },
    ...(says !== undefined && { docString: says }),
  });
  const content = (attribute: OnnxAttribute): object => {
    if ('float' in attribute) return { f: Math.fround(attribute.float), type: 1 };
    if ('int' in attribute) return { i: attribute.int, type: 2 };
    return 'string' in attribute ? { s: Buffer.from(attribute.string).toString('base64'), type: 3 } : { ints: attribute.ints, type: 7 };
  };
  const graph = {
    node: nodes.map(({ op, name: of, inputs: from, output, attributes, doc: says }) => ({
      ...list('input', from), output: [output], name: of, opType: op, ...list('attribute', Object.entries(attributes).map(([key, attribute]) => ({ name: key, ...content(attribute) }))), docString: says,
    })),
    name,
    initializer: initializers.map(({ name: of, type, dims, data }) => ({ ...list('dims', dims), dataType: codes[type], name: of, rawData: Buffer.from(data).toString('base64') })),
    input: inputs.map(value),
    output: outputs.map(value),
    ...list('valueInfo', values.map(value)),
  };
  const properties = Object.entries(metadata).map(([key, text]) => ({ key, value: text }));
  return { irVersion: 8, opsetImport: [{ domain: '', version: 17 }], producerName: producer.name, producerVersion: producer.version, modelVersion: 1, docString: doc, graph, metadataProps: properties };
}

describe.skipIf(noDefinitions)(`a reader of ONNX's own definitions, onnx-proto, in the place of Netron's, which npm has not${unreadable}`, () => {
  test('finds in the files of all nets what was written', () => {
    for (const graph of [...EXAMPLES.map(exampleGraph), ...Object.keys(MIXED).map((name) => evaluationGraph(mixedNet(name)))]) {
      const options = { tensors: valuesOf(graph, 1, 1).tensors, version: '1.2.3', classes: ['a', 'b'] };
      expect(readOnnx(emitOnnx(graph, options))).toEqual(fieldsOf(onnxModel(graph, options)));
    }
  });
});

describe('the file', () => {
  const operators = (graph: Graph): string[] => onnxModel(graph, { tensors: valuesOf(graph, 1, 1).tensors, version: '0' }).nodes.map(({ op }) => op);
  const count = (all: readonly string[], op: string): number => all.filter((each) => each === op).length;

  test('turns an image to channels first once, and back where an image is given', () => {
    for (const name of EXAMPLES) expect(count(operators(exampleGraph(name)), 'Transpose'), name).toBe(name === 'mlp:' ? 0 : 1);
    const image = evaluationGraph('net N { input image: [8, 8, 2]\n a = image -> conv(4) -> elu -> avgpool(2)\n b = image -> conv(4, stride: 2) -> batchnorm\n y = concat(a, b) -> conv(3, bias: true)\n output y }');
    expect(count(operators(image), 'Transpose')).toBe(2);
  });

  test('has an operator for each layer: biases and batch normalisations are parts of theirs', () => {
    const graph = evaluationGraph('net N { input image: [8, 8, 2]\n logits = image -> conv(4, bias: true) -> batchnorm -> relu -> globalavgpool -> dense(3)\n output logits }');
    expect(operators(graph)).toEqual(['Transpose', 'Conv', 'BatchNormalization', 'Relu', 'ReduceMean', 'Gemm']);
  });

  test('says what it is: any batch, names, places, the version of its operators, what its input means', () => {
    const graph = evaluationGraph('net N { input image: [8, 8, 2]\n seen = image -> conv(4)\n logits = seen -> globalavgpool\n output logits\n train { normalize channel } }');
    const model = onnxModel(graph, { tensors: valuesOf(graph, 1, 1).tensors, version: '1.2.3', classes: ['a', 'b', 'c', 'd'] });
    expect(model.inputs).toMatchObject([{ name: 'image', shape: ['batch', 8, 8, 2], type: 'float' }]);
    expect(model.inputs[0]?.doc).toContain('of each channel minus its mean over the training images');
    expect(model.outputs).toEqual([{ name: 'logits', shape: ['batch', 4], type: 'float' }]);
    expect(model.initializers.map(({ name, dims }) => [name, dims])).toEqual([['w.1', [4, 2, 3, 3]]]);
    expect(model.nodes.map(({ name, doc }) => `${name} ${doc}`)).toEqual(['seen net.zz:2:18', 'seen/2 net.zz:2:18', 'logits net.zz:3:19']);
    expect(model.producer).toEqual({ name: 'ZigZag', version: '1.2.3' });
    expect(model.metadata).toEqual({ 'zigzag.format': '1', 'zigzag.net': 'N', 'zigzag.input': 'normalised', 'zigzag.normalize': 'channel', 'zigzag.outputs': '["logits"]', 'zigzag.classes': '["a","b","c","d"]' });
  });

  test('is the same, byte for byte, each time', () => {
    const graph = exampleGraph('case-b:');
    const options = { tensors: valuesOf(graph, 1, 1).tensors, version: '0' };
    expect(Buffer.compare(emitOnnx(graph, options), emitOnnx(graph, options))).toBe(0);
  });

  test('is refused where an operation belongs to training, which is named with its place', () => {
    const graph = exampleGraph('case-d:');
    const [conv] = graph.nodes.filter((node) => node.kind === 'conv2d');
    if (!conv) throw new Error('case-d has a convolution');
    const random = { id: 'r', kind: 'random', inputs: [], attrs: { shape: conv.type.shape, salt: 0 }, type: conv.type, locs: conv.locs, tags: {} } as const;
    const broken: Graph = { ...graph, nodes: [...graph.nodes.slice(0, graph.nodes.indexOf(conv)), random, ...graph.nodes.slice(graph.nodes.indexOf(conv))], outputs: [{ name: 'y', value: 'r' }] };
    expect(() => emitOnnx(broken, { tensors: new Map(), version: '0' })).toThrow('ONNX has no operator for random (%r, net.zz:9:8): it is fed anew at each training step');
    const gradient: Graph = { ...graph, nodes: graph.nodes.map((node) => (node.kind === 'elu' ? { ...node, kind: 'elu_grad', inputs: [node.inputs[0] ?? '', node.inputs[0] ?? ''] } : node)) };
    expect(() => emitOnnx(gradient, { tensors: valuesOf(graph, 1, 1).tensors, version: '0' })).toThrow(/ONNX has no operator for elu_grad \(%\d+, net\.zz:\d+:\d+\): it is a part of training/);
  });

  test('is refused where a weight has no values', () => {
    expect(() => emitOnnx(exampleGraph('case-d:'), { tensors: new Map(), version: '0' })).toThrow('no values for %w.1');
  });
});
