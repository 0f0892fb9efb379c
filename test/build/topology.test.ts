// Streams, twins, views, backward routes, settings and widths, as graphs and as mistakes.

import { describe, expect, it } from 'vitest';
import { applySetting, buildNet, checkProgram, DEFAULT_SETTINGS } from '../../compiler/2-graph/build.ts';
import { verify } from '../../compiler/2-graph/verify.ts';
import { unroll } from '../../compiler/3-passes/unroll.ts';
import { check, graphOf, itemsOf, messages, netOf, node, ofKind, outputShape, parameterCount, programOf, weightsOf } from './helpers.ts';

const checkItems = (items: string): string[] => check(netOf(items));
const CELL = 'cell C(x, h) { relu(conv(x, 4) + conv(h, 4)) }\n';

describe('streams', () => {
  it.each([1, 2, 3, 16])('%i streams', (count) => {
    const names = Array.from({ length: count }, (_, i) => `S${i}`).join(', ');
    const graph = itemsOf(`${CELL}streams ${names} of C { step image : straight }\ny = concat(${names})`);
    expect(outputShape(graph)).toBe(`[B,8,8,${4 * count}]`);
    expect(parameterCount(graph)).toBe(count * (9 * 3 * 4 + 9 * 4 * 4));
    expect(graph.regions).toHaveLength(count);
  });

  it('the state\'s shape is what the cell keeps', () => {
    const shape = (cell: string): string => outputShape(itemsOf(`${cell}\nstreams L of C { step image : straight step image : straight }\ny = L`));
    expect(shape('cell C(x, h) { conv(h, 5, k: 1) + conv(x, 5) }')).toBe('[B,8,8,5]');
    expect(shape('cell C(x, h) { conv(x, 5, stride: 2) -> relu + h * 0.5 }')).toBe('[B,4,4,5]');
    expect(shape('cell C(x, h) { concat(x, h) -> conv(6) -> tanh }')).toBe('[B,8,8,6]');
    expect(shape('cell C(x, h) { z = sigmoid(conv(x, 4) + conv(h, 4)) n = tanh(conv(x, 4) + z * conv(h, 4)) (1 - z) * n + z * h }')).toBe('[B,8,8,4]');
    expect(shape('cell C(x, h) { x -> flatten -> dense(7) + (h -> dense(7)) }')).toBe('[B,7]');
    expect(shape('cell C(x, h) { a, b = split(concat(x, h), 1 + 1) conv(a, 3) * conv(b, 3) }')).toBe('[B,8,8,3]');
  });

  it('a packed state: a cell with a memory besides its output', () => {
    const items = 'cell Lstm(x, s) { h, c = split(s, 2) i, f, o, g = split(conv(x, 8) + conv(h, 8), 4) m = sigmoid(f) * c + sigmoid(i) * tanh(g) concat(sigmoid(o) * tanh(m), m) }\n';
    expect(outputShape(itemsOf(`${items}streams L, R of Lstm { init zeros([8, 8, 4]) step image : straight step image : zigzag }\ny = L + R`))).toBe('[B,8,8,4]');
  });

  it.each([
    ['cell C(x, h) { relu(h) + relu(h) }\nstreams L of C { init 2 * conv(image, 5) step image : straight }\ny = L', []],
    ['cell C(x, h) { conv(h, 5, stride: 2) }\nstreams L of C { step image : straight }\ny = L', ['ZZ3011 4:14']],
    ['cell C(x, h) { concat(h, h) }\nstreams L of C { step image : straight }\ny = L', ['ZZ3011 4:14']],
    ['cell C(x, h) { conv(x, 5) + conv(h, 6) }\nstreams L of C { step image : straight }\ny = L', ['ZZ3001 3:16']],
    ['cell C(x, h) { conv(x, 5) }\nstreams L of C { init zeros([4, 4, 5]) step image : straight }\ny = L', ['ZZ3011 3:16']],
    ['cell C(x, h) { x + h }\nstreams L of C { step image : (L <- avgpool(L, 2)) }\ny = L', ['ZZ3011 4:37']],
    ['cell C(x, h) { split(h, 3) }\nstreams L of C { init zeros([8, 8, 3]) step image : straight }\ny = L', ['ZZ2016 3:16']],
    ['cell C(x, h, c) { x + h }\nstreams L of C { step image : straight }\ny = L', ['ZZ2016 3:14']],
    [`${CELL}streams L of C { }\ny = L`, ['ZZ3011 4:14']], [`${CELL}streams L of C { init image }\ny = L`, []],
    [`${CELL}streams L of C { step image : straight }\ny = L[1]`, ['ZZ4004 5:5']], [`${CELL}streams L of C { step image : straight }\ny = L[-1] + L[0]`, []],
    [`${CELL}streams L, R of C { step image : (L <- R) step image : (L <- R, R <- L, L <- L) }\ny = L + R`, ['ZZ4002 4:34', 'ZZ4002 4:73']],
    [`${CELL}streams L of D { step image : straight }\ny = L`, ['ZZ2001 4:14']], [`${CELL}streams L of image { step image : straight }\ny = L`, ['ZZ2009 4:14']],
    [`${CELL}streams L of C { repeat 0 { step image : straight } }\ny = L`, ['ZZ2007 4:25']], ['y = image -> C', ['ZZ2003 3:14']], [`${CELL}y = image -> C`, ['ZZ2009 4:14']],
  ])('%s', (items, expected) => {
    expect(checkItems(items)).toEqual(expected);
  });

  it('a block that failed is silent about its steps', () => {
    expect(checkItems(`${CELL}streams L of C { repeat 0 { step image : straight } }\ny = L[7] + L[-3]`)).toEqual(['ZZ2007 4:25']);
  });

  it('says which shape it could not find, and how to give it', () => {
    expect(messages(netOf('cell C(x, h) { concat(h, h) }\nstreams L of C { step image : straight }\ny = L'))[0]).toContain('init zeros([32, 32, 96])');
  });

  it('steps with inputs of other shapes share the weights of their stream', () => {
    const graph = itemsOf('small = image -> mean(axis: channel, keep: true)\ncell C(x, h) { conv(h, 4) + mean(x, axis: channel, keep: true) }\nstreams L of C { init zeros([8, 8, 4]) step image : straight step small : straight step image : straight }\ny = L');
    expect(graph.regions.map(({ name }) => name)).toEqual(['C.L', 'C.L.2']);
    expect(ofKind(graph, 'call').map(({ attrs }) => attrs.region)).toEqual(['C.L', 'C.L.2', 'C.L']);
    expect(weightsOf(graph)).toEqual({ 'w.L.1': '[3,3,4,4]' });
    expect(checkItems('small = image -> conv(2)\ncell C(x, h) { conv(x, 4) + h }\nstreams L of C { step image : straight step small : straight }\ny = L')).toEqual(['ZZ3010 4:16']);
  });

  it('a repeated step reads one value, made once', () => {
    const graph = itemsOf(`${CELL}streams L of C { repeat 3 { step image -> conv(2) : straight } }\ny = L`);
    expect(Object.keys(weightsOf(graph)).sort()).toEqual(['w.1', 'w.L.1', 'w.L.2']);
  });

  it('two blocks may share one cell each, with a set each', () => {
    const graph = itemsOf(`${CELL}streams A, B of C shared { step image : straight }\nstreams P, Q of C shared { step image : straight }\ny = A + B + P + Q`);
    expect(Object.keys(weightsOf(graph)).sort()).toEqual(['w.C.1', 'w.C.2', 'w.C.P.1', 'w.C.P.2']);
    expect(graph.regions.map(({ name }) => name)).toEqual(['C', 'C.P']);
  });

  it('a cell with random numbers draws new ones at every step', () => {
    const graph = itemsOf('cell C(x, h) { dropout(x + h, 0.5) }\nstreams L, R of C { step image : straight step image : zigzag }\ny = L + R');
    expect(new Set(ofKind(graph, 'random').map(({ attrs }) => attrs.salt)).size).toBe(4);
  });

  it('running statistics follow every step in turn', () => {
    const graph = itemsOf('cell C(x, h) { batchnorm(x + h, momentum: 0.5) }\nstreams L of C { step image : straight step image : straight }\ny = L');
    expect(graph.updates.map(({ target }) => target)).toEqual(['mean.L.1', 'var.L.1']);
    const reads = graph.nodes.filter(({ inputs }) => inputs.includes('mean.L.1'));
    expect(reads).toHaveLength(1);
    const evaluating = itemsOf('cell C(x, h) { batchnorm(x + h) }\nstreams L of C { step image : straight }\ny = L', { mode: 'evaluate' });
    expect([evaluating.updates, ofKind(evaluating, 'state').map(({ id }) => id)]).toEqual([[], ['mean.L.1', 'var.L.1']]);
  });

  it('2,000 steps build; more are refused at their count', () => {
    const steps = (count: number): string => `cell C(x, h) { x + h }\nstreams L of C { repeat ${count} { repeat 100 { step image : straight } } }\ny = L`;
    expect(ofKind(itemsOf(steps(20)), 'call')).toHaveLength(2000);
    expect(checkItems(steps(21))).toEqual(['ZZ4011 4:25']);
  });

  it('unrolled ids come from the calls, and stay when other parts change', () => {
    const graph = unroll.run(itemsOf(`${CELL}streams L of C { step image : straight step image : straight }\ny = L`));
    verify(graph);
    expect(graph.nodes.filter(({ tags }) => tags.step === 1).map(({ id, kind }) => `${id} ${kind}`)).toEqual(['5.0 conv2d', '5.1 conv2d', '5.2 add', '5 relu']);
  });
});

describe('twin', () => {
  it.each([
    ['twin L, R from image, image { both conv(4) cross concat both conv(4) }\ny = L + R', []],
    ['twin L, R from image { both relu }\ny = L + R', ['ZZ4005 3:16']], ['twin L from image, image { both relu }\ny = L', ['ZZ4005 3:20']],
    ['twin L, R from image, image { Q relu }\ny = L + R', ['ZZ4001 3:31']], ['twin L, R from image, image { cross (L <- R) }\ny = L + R', ['ZZ4002 3:31']],
    ['twin L, R from image, image { cross (L <- R, Q <- L) }\ny = L + R', ['ZZ4001 3:46']], ['twin L from image { cross swap }\ny = L', ['ZZ4006 3:21']],
    ['twin L, R from image, image { L conv(4) cross add }\ny = L + R', ['ZZ3001 3:41']], ['twin L, R from image, image { L avgpool(2) cross concat }\ny = L + R', ['ZZ3006 3:44']],
    ['twin L, R from image, image { both relo -> conv(4, kk: 1) }\ny = L + R', ['ZZ2003 3:36', 'ZZ2004 3:52']], ['twin L, R from image, image { both relu }\ny = L[0] + R', ['ZZ4013 4:5']],
    ['twin L, R from image, image { repeat 3 { both conv(3) } }\ny = L + R', []],
  ])('%s', (items, expected) => {
    expect(checkItems(items)).toEqual(expected);
  });

  it('every repetition of a stage has weights of its own', () => {
    expect(Object.keys(weightsOf(itemsOf('twin L, R from image, image { repeat 2 { both conv(3) } }\ny = L + R'))).sort()).toEqual(['w.L.1', 'w.L.2', 'w.R.1', 'w.R.2']);
  });

  it('a layer in a stage is one set for all streams', () => {
    expect(weightsOf(itemsOf('layer f = conv(3)\ntwin L, R from image, image { both f }\ny = L + R'))).toEqual({ 'w.f': '[3,3,3,3]' });
  });
});

describe('views', () => {
  const views = (items: string, mode: 'train' | 'evaluate' = 'train') => itemsOf(items, { mode }).views;

  it('are chains over an input, as pipelines or as calls', () => {
    const expected = [{ name: 'v', parts: [{ source: 'image', steps: [{ op: 'hflip', p: 0.5 }, { op: 'crop', pad: 2 }] }] }];
    expect(views('view v = image -> hflip -> crop(pad: 2)\ny = v')).toEqual(expected);
    expect(views('view v = crop(hflip(image), pad: 2)\ny = v')).toEqual(expected);
    expect(views('view u = hflip(image)\nview v = u -> crop(2)\ny = v')).toEqual(expected);
  });

  it('only those that are read become inputs', () => {
    expect(views('view u = image -> hflip\nview v = u -> noise(0.1)\ny = v + image').map(({ name }) => name)).toEqual(['v', 'image']);
    expect(views('view v = image -> hflip\ny = v', 'evaluate')).toEqual([{ name: 'image', parts: [{ source: 'image', steps: [] }] }]);
  });

  it('each multiplies the batch, also of views that hold it', () => {
    const items = 'view two = each(image, image -> hflip(p: 1.0))\nview four = each(two, two -> cutout(2))\ny = four -> conv(2)';
    expect([outputShape(itemsOf(items)), outputShape(itemsOf(items, { mode: 'evaluate' }))]).toEqual(['[4B,8,8,2]', '[B,8,8,2]']);
    expect(views(items)[0]?.parts.map(({ steps }) => steps.map(({ op }) => op))).toEqual([[], ['hflip'], ['cutout'], ['hflip', 'cutout']]);
  });

  it.each([
    ['view v = image -> conv(8)\ny = v', ['ZZ5005 3:19']], ['view v = 3\ny = image', ['ZZ5007 3:10']], ['a = image -> relu\nview v = a -> hflip\ny = v', ['ZZ5007 4:10']],
    ['view v = imge -> hflip(q: 1) -> blur\ny = v', ['ZZ2001 3:10', 'ZZ2004 3:24', 'ZZ2005 3:33']], ['view v = image -> sometimes(2, hflip)\ny = v', ['ZZ2007 3:29']],
    ['view v = image -> sometimes(0.5, relu)\ny = v', ['ZZ5005 3:34']], ['view v = image -> blur(sigma: 2..1)\ny = v', ['ZZ2007 3:31']], ['view v = image -> each(image)\ny = v', ['ZZ5007 3:19']],
    ['input other: [4, 4, 3]\nview v = each(image, other)\ny = v', ['ZZ3006 4:22']], ['view v = each()\ny = v', ['ZZ2005 3:10']], ['y = image -> hflip', ['ZZ2003 3:14']],
    ['view v = each(image, image)\ny = v + image', ['ZZ3001 4:5']], ['view v = image -> sometimes(0.5, sometimes(0.5, blur(sigma: 0.5)))\ny = v', []],
  ])('%s', (items, expected) => {
    expect(checkItems(items)).toEqual(expected);
  });
});

describe('losses', () => {
  const head = 'a = image -> flatten -> dense(4)\nb = image -> flatten -> dense(5)\ny = image\n';

  it('add up, and the first class scores that count are the classifier\'s', () => {
    const graph = itemsOf(`${head}dead = softmax_cross_entropy(b)\nloss 0.5 * softmax_cross_entropy(a)\nloss softmax_cross_entropy(b)`);
    expect(node(graph, graph.loss).kind).toBe('add');
    expect(graph.classifier?.logits).toBe(ofKind(graph, 'softmax_cross_entropy').find(({ inputs }) => node(graph, inputs[0]).tags.name === 'b')?.inputs[0]);
  });

  it('of several class scores those that are an output are the classifier\'s', () => {
    const graph = itemsOf(`${head}loss 0.5 * softmax_cross_entropy(a)\nloss softmax_cross_entropy(b)\noutput b`);
    expect(node(graph, graph.classifier?.logits).tags.name).toBe('b');
  });

  it('labels follow the batch of their scores', () => {
    const graph = itemsOf('view v = each(image, image)\nlayer f = dense(4)\na = v -> flatten -> f\nb = image -> flatten -> f\ny = image\nloss softmax_cross_entropy(a)\nloss softmax_cross_entropy(b)');
    expect(ofKind(graph, 'labels').map(({ id }) => id)).toEqual(['labels.2', 'labels']);
  });

  it.each([['loss image', ['ZZ3009 3:6']], ['loss softmax_cross_entropy(image)', ['ZZ3012 3:6']], ['loss softmax_cross_entropy(image -> globalavgpool, label_smoothing: 1)', ['ZZ2007 3:69']], ['loss 3', []]])('%s', (items, expected) => {
    expect(checkItems(`${items}\ny = image`)).toEqual(expected);
  });
});

describe('backward', () => {
  const routes = (text: string): string[] => checkItems(`a = image -> conv(4)\nb = a -> relu\np = b -> avgpool(2)\nq = p -> stop_gradient\ny = p -> conv(2)\nside = q -> conv(1)\noutput side\nbackward { ${text} }`);

  it.each([
    ['grad(a) = grad(b)', ['ZZ4101 10:1']], ['grad(b) += upsample(grad(p), 2)', ['ZZ4101 10:1']], ['grad(a) = 2 * grad(a) grad(a) += grad(b) grad(a) += grad(b)', ['ZZ4101 10:1']],
    ['grad(a) = 0', ['ZZ4101 10:1']], ['grad(b) = a * grad(b)', ['ZZ4101 10:1']], ['grad(p) = grad(b)', ['ZZ4008 10:22']], ['grad(p) = grad(a) -> avgpool(2)', ['ZZ4009 10:12']],
    ['grad(b) = 2 * grad(a) grad(a) = grad(b)', ['ZZ4009 10:12']], ['grad(a) = grad(side)', ['ZZ4008 10:22']], ['grad(side) = grad(side)', ['ZZ4010 10:17']], ['grad(q) = grad(p)', ['ZZ4010 10:17']],
    ['grad(a) = grad(b) grad(a) = grad(b)', ['ZZ4012 10:35']], ['grad(c) = grad(b)', ['ZZ2001 10:17']], ['grad(a) = grad(3)', ['ZZ4007 10:27']], ['grad(a) = grad(a + b)', ['ZZ4007 10:27']],
    ['grad(a) = grad(b, a)', ['ZZ4007 10:27']], ['grad(a) = conv(grad(b), 4)', ['ZZ2003 10:22']], ['grad(a) = grad(b) + grad(p)', ['ZZ3001 10:22']], ['grad(image) = grad(image)', []],
  ])('%s', (text, expected) => {
    expect(routes(text)).toEqual(expected);
  });

  it('a replaced adjoint breaks what would be a cycle', () => {
    // grad(b) is replaced by an expression of y alone, so that grad(p), which mentions b, closes no circle.
    expect(routes('grad(b) = upsample(mean(grad(y), axis: channel, keep: true), 2) + 0 * b grad(p) += avgpool(grad(b), 2)')).toEqual(['ZZ4101 10:1']);
  });

  it('stands outside of backward for nothing', () => {
    expect(checkItems('y = grad(image)')).toEqual(['ZZ2003 3:5']);
  });

  it('names the weights that leave the true gradient, and no others', () => {
    expect(messages(netOf('a = image -> conv(4)\nb = a -> conv(4)\nd = image -> conv(4)\ny = b -> conv(2) + (d -> conv(2))\nbackward { grad(b) += grad(b) }'))).toEqual([
      'these weights no longer follow the true gradient: w.1, w.2',
    ]);
  });

  it('evaluating leaves the routes aside', () => {
    const graph = itemsOf('y = image -> conv(4)\nbackward { grad(y) = 2 * grad(y) }', { mode: 'evaluate' });
    expect([graph.routes, ofKind(graph, 'adjoint')]).toEqual([[], []]);
  });
});

describe('settings', () => {
  const train = (text: string) => itemsOf(`y = image train { ${text} }`).train;

  it('have defaults', () => {
    expect(train('')).toEqual(DEFAULT_SETTINGS);
    expect(itemsOf('y = image').train).toEqual(DEFAULT_SETTINGS);
  });

  it('every key', () => {
    const text = 'dataset "my photos" optimizer sgd(lr: 0.1, nesterov: true, momentum: 0.9) schedule step(every: 5, factor: 0.2) batch 7 epochs 3 seed 42 normalize none weight_decay 1e-4 clip_norm 2';
    expect(train(text)).toEqual({
      dataset: 'my photos', optimizer: { kind: 'sgd', lr: 0.1, momentum: 0.9, nesterov: true }, schedule: { kind: 'step', every: 5, factor: 0.2 },
      batch: 7, epochs: 3, seed: 42, normalize: 'none', weightDecay: 1e-4, clipNorm: 2,
    });
    expect(train('optimizer rmsprop(alpha: 0.9)').optimizer).toEqual({ kind: 'rmsprop', lr: 0.01, alpha: 0.9, eps: 1e-8, momentum: 0 });
    expect(train('optimizer amsgrad schedule cosine').optimizer).toEqual({ ...DEFAULT_SETTINGS.optimizer, kind: 'amsgrad' });
  });

  it.each([
    ['batch 1.5', ['ZZ5002 3:25']], ['batch many', ['ZZ5002 3:25']], ['normalize 3', ['ZZ5002 3:29']], ['optimizer 3', ['ZZ5002 3:29']], ['optimizer adam(lr: 0)', ['ZZ5002 3:38']], ['optimizer sgd(nesterov: true)', ['ZZ5002 3:29']], ['optimizer sgd(lr: 0.1, nesterov: true, momentum: 0)', ['ZZ5002 3:29']],
    ['optimizer adam(rate: 1)', ['ZZ2004 3:34']], ['schedule step', ['ZZ2005 3:28']], ['schedule linear', ['ZZ5004 3:28']], ['speed 3 batch 0', ['ZZ5001 3:19', 'ZZ5002 3:33']], ['dataset synthetic seed 4294967296', ['ZZ5002 3:42']],
  ])('%s', (text, expected) => {
    expect(checkItems(`y = image train { ${text} }`)).toEqual(expected);
  });

  it('flags change one setting at a time', () => {
    const applied = (key: string, text: string) => applySetting(DEFAULT_SETTINGS, key, text);
    expect(applied('batch', '10').settings).toEqual({ ...DEFAULT_SETTINGS, batch: 10 });
    expect(applied('optimizer', 'adam(lr: 1e-4)').settings.optimizer).toMatchObject({ lr: 1e-4, beta1: 0.9 });
    expect(applied('dataset', '../a b/{c}').settings.dataset).toBe('../a b/{c}');
    for (const [key, text, code] of [['batch', 'ten', 'ZZ5002'], ['batch', '10 } }', 'ZZ5002'], ['batch', '10 epochs 5', 'ZZ5002'], ['batch', '', 'ZZ1003'], ['speed', '9', 'ZZ5001']] as const) {
      const { settings, diagnostics } = applied(key, text);
      expect([settings, diagnostics[0]?.code]).toEqual([DEFAULT_SETTINGS, code]);
    }
  });
});

describe('width', () => {
  const narrow = (items: string, width: number) => weightsOf(itemsOf(items, { width }));

  it('scales all layers but the last before each result', () => {
    expect(narrow('y = image -> conv(8) -> relu -> conv(16) -> globalavgpool -> dense(10) -> relu', 0.5)).toEqual({ 'w.1': '[3,3,3,4]', 'w.2': '[3,3,4,8]', 'w.3': '[8,10]', 'b.3': '[10]' });
    expect(narrow('a = image -> conv(8)\ny = conv(a, 5) + conv(a -> relu, 5)\noutput z = a -> conv(6) -> depthwise', 0.25)).toEqual({
      'w.1': '[3,3,3,2]', 'w.2': '[3,3,2,5]', 'w.3': '[3,3,2,5]', 'w.4': '[3,3,2,6]', 'w.5': '[3,3,1,6]',
    });
  });

  it('looks through cells', () => {
    expect(narrow(`cell C(x, h) { conv(conv(x, 8), 6) + h }\nstreams L of C { step image : straight }\ny = L -> relu`, 0.5)).toEqual({ 'w.L.1': '[3,3,3,4]', 'w.L.2': '[3,3,4,6]' });
    expect(narrow(`${CELL}streams L of C { step image : straight }\ny = L -> conv(7)`, 0.5)).toEqual({ 'w.L.1': '[3,3,3,2]', 'w.L.2': '[3,3,2,2]', 'w.1': '[3,3,2,7]' });
  });

  it('keeps at least one channel, and multiples of the groups', () => {
    expect(narrow('y = image -> conv(8) -> conv(12, groups: 4) -> groupnorm(4) -> conv(3)', 0.01)).toEqual({ 'w.1': '[3,3,3,1]', 'w.2': '[3,3,1,1]', 'gamma.3': '[1]', 'beta.3': '[1]', 'w.4': '[3,3,1,3]' });
    expect(narrow('y = image -> conv(12) -> conv(16, groups: 4) -> conv(3)', 0.34)).toEqual({ 'w.1': '[3,3,3,4]', 'w.2': '[3,3,1,8]', 'w.3': '[3,3,8,3]' });
  });

  it('1 changes nothing', () => {
    const source = netOf('y = image -> conv(8) -> conv(4)');
    expect(graphOf(source, { width: 1 })).toEqual(graphOf(source));
  });
});

it('building never changes what it reads, and gives the same graph again', () => {
  const program = programOf(netOf(`${CELL}streams L, R of C { step image : straight step image : zigzag }\ny = L + R`));
  const before = JSON.stringify(program.main?.ast);
  const [first, second] = [buildNet(program, undefined, { mode: 'train' }), buildNet(program, undefined, { mode: 'train' })];
  expect(second).toEqual(first);
  checkProgram(program);
  expect(JSON.stringify(program.main?.ast)).toBe(before);
});
