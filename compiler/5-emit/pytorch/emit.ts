// A net as one self-contained PyTorch file: module, data pipeline, declared backward routes, and a main that trains on one device or on many.

import type { Graph, Node, ValueId } from '../../2-graph/graph.ts';
import { classScores } from '../../2-graph/queries.ts';
import { concreteShape } from '../../2-graph/types.ts';
import { fileName } from '../file-name.ts';
import { autodiff } from '../../3-passes/autodiff.ts';
import { unroll } from '../../3-passes/unroll.ts';
import { classesOf } from './classes.ts';
import type { Classes } from './classes.ts';
import { heading, namesOf, textOf } from './part.ts';
import type { Part } from './part.ts';
import { AUGMENT } from './parts/augment.ts';
import { BATCHNORM } from './parts/batchnorm.ts';
import { DATA } from './parts/data.ts';
import { NORMALISE_CHANNEL } from './parts/normalise-channel.ts';
import { NORMALISE_NONE } from './parts/normalise-none.ts';
import { NORMALISE_PER_BATCH } from './parts/normalise-batch.ts';
import { PLAIN_READINGS } from './parts/plain-readings.ts';
import { RANDOM } from './parts/random.ts';
import { ROUTES } from './parts/routes.ts';
import { SYNTHETIC } from './parts/synthetic.ts';
import { TRAIN } from './parts/train.ts';
import { WEIGHTS } from './parts/weights.ts';
import { BUILTINS, KEYWORDS, number, quoted, tuple } from './python.ts';
import { augmentationsOf, isAugmentation, optimizerLines, scheduleLines, viewLines } from './settings.ts';

export interface PyTorchOptions {
  /** The version of the compiler. */
  readonly version: string;
  /** The net's file, and the texts of it and of what it imports, for comments. */
  readonly sources: { readonly main: string; readonly texts: ReadonlyMap<string, string> };
  /** What the emitted file is called, for the examples in it. */
  readonly file: string;
  /** A file of weights beside it, with which it begins. */
  readonly weights?: string;
  /** Names of the classes that the weights were trained on. */
  readonly names?: readonly string[];
}

const NORMALISATIONS: { readonly [N in Graph['train']['normalize']]: Part } = { none: NORMALISE_NONE, channel: NORMALISE_CHANNEL, per_batch: NORMALISE_PER_BATCH };

/** Names that the file gives to other things than the net's parts, or that Python does. */
const TAKEN: readonly string[] = [
  ...KEYWORDS,
  ...BUILTINS,
  ...['argparse', 'json', 'math', 'os', 'time', 'Path', 'Callable', 'Iterator', 'NamedTuple', 'Sequence', 'torch', 'dist', 'F', 'Tensor', 'nn'],
  ...['NET', 'INPUT', 'CLASSES', 'NAMES', 'DATASET', 'BATCH', 'EPOCHS', 'SEED', 'WEIGHTS', 'CLIP_NORM', 'VIEWS', 'TENSORS', 'Result', 'make_net', 'make_optimizer', 'schedule'],
  ...[RANDOM, WEIGHTS, BATCHNORM, AUGMENT, PLAIN_READINGS, DATA, SYNTHETIC, TRAIN, ...Object.values(NORMALISATIONS)].flatMap(namesOf),
];

/**
 * The file of a net's graph for training, before all passes. The weights that it begins with are those of `zz train`, drawn in the file; others are loaded.
 * Throws RangeError, with the place, where the net has something that PyTorch cannot do or that has no image as its input.
 */
export function emitPyTorch(graph: Graph, { version, sources, file, weights, names }: PyTorchOptions): string {
  const flat = unroll.run(graph);
  const trained = new Set(autodiff.run(flat).gradients.map(({ weight }) => weight));
  const lines = new Map([...sources.texts].map(([path, text]) => [path, text.split('\n')]));
  const classes = classesOf(graph, { main: sources.main, lines }, [...TAKEN, ...(graph.routes.length > 0 ? namesOf(ROUTES) : [])]);
  const trains = graph.loss !== undefined;
  const sections = [
    head(graph, version, sources.main, file, trains),
    settings(graph, { weights, names }),
    heading('The net. Values of four axes are [batch, channels, height, width]; comments are the lines of the source.'),
    RESULT,
    ...(classes.routed ? [textOf(ROUTES)] : []),
    ...(classes.batchnorm ? [textOf(BATCHNORM)] : []),
    classes.lines.join('\n').trimEnd(),
    maker(graph, classes, trained),
    tensorTable(graph, classes),
    textOf(RANDOM, (name) => trains || !['below', 'shuffled'].includes(name)),
    weightsPart(graph),
    ...(trains ? pipeline(graph, names !== undefined) : []),
  ];
  return `${sections.join('\n\n\n')}\n`;
}

function head(graph: Graph, version: string, main: string, file: string, trains: boolean): string {
  const examples: readonly (readonly [command: string, what: string])[] = trains
    ? [
        [`python ${file} --data cifar-10-batches-bin`, 'train on one device'],
        [`torchrun --nproc_per_node 2 ${file} --data cifar-10-batches-bin`, 'on several, each with its share of a batch'],
        [`python ${file} --weights w.safetensors --evaluate`, 'score weights from here or from zz train'],
        [`zz import ${graph.name}.safetensors ${fileName(main)}`, 'and take them back'],
      ]
    : [['net = make_net(); load(net, "w.safetensors"); net.eval()', 'weights from zz train']];
  const width = Math.max(...examples.map(([command]) => command.length));
  const usage = examples.map(([command, what]) => `    ${command.padEnd(width)}  # ${what}`);
  const imports = trains
    ? ['argparse', 'json', 'math', 'os', 'time'].map((name) => `import ${name}`)
    : ['json', 'math', 'os'].map((name) => `import ${name}`);
  return [
    '#!/usr/bin/env python3',
    `"""${graph.name}, from ${fileName(main)} (zz compile --target pytorch, ZigZag ${version}). PyTorch 1.13 or newer.`,
    '',
    ...usage,
    '"""',
    '',
    'from __future__ import annotations',
    '',
    ...imports,
    ...(trains ? ['from pathlib import Path'] : []),
    `from typing import ${[...(graph.routes.length > 0 ? ['Callable'] : []), ...(trains ? ['Iterator'] : []), 'NamedTuple', ...(graph.routes.length > 0 ? ['Sequence'] : [])].join(', ')}`,
    '',
    'import torch',
    ...(trains ? ['import torch.distributed as dist'] : []),
    'import torch.nn.functional as F',
    'from torch import Tensor, nn',
  ].join('\n');
}

function settings(graph: Graph, { weights, names }: { readonly [K in 'weights' | 'names']: PyTorchOptions[K] | undefined }): string {
  const { train } = graph;
  const input = graph.nodes.find((node) => node.kind === 'input');
  const image = input ? concreteShape(input.type.shape.slice(1)) : [];
  const [height, width, channels] = image;
  const scores = classScores(graph);
  return [
    `NET = ${quoted(graph.name)}`,
    ...(graph.loss === undefined
      ? []
      : [
          `INPUT = ${tuple(image.length === 3 ? [channels ?? 0, height ?? 0, width ?? 0] : image)}  # channels, height, width`,
          `CLASSES = ${scores === undefined ? 'None' : scores}`,
          `DATASET = ${quoted(train.dataset === 'cifar10' ? 'cifar-10-batches-bin' : train.dataset)}`,
          `BATCH = ${train.batch}  # distinct images a step`,
          `EPOCHS = ${train.epochs}`,
          `SEED = ${train.seed}`,
          `WEIGHTS = ${weights === undefined ? 'None  # drawn from the seed' : `str(Path(__file__).with_name(${quoted(weights)}))`}`,
          ...(names ? [`NAMES = [${names.map(quoted).join(', ')}]  # of the classes, as WEIGHTS knows them`] : []),
          ...(train.clipNorm > 0 ? [`CLIP_NORM = ${number(train.clipNorm)}  # of all gradients together`] : []),
        ]),
  ].join('\n');
}

const RESULT = `class Result(NamedTuple):
    outputs: dict[str, Tensor]
    loss: Tensor | None = None  # the mean over the batch; there where labels are given
    correct: Tensor | None = None  # how many of the class scores are right`;

/** The function that makes the net. Weights that the loss does not depend on are not trained. */
function maker(graph: Graph, { name, tensors }: Classes, trained: ReadonlySet<ValueId>): string {
  const weights = new Set(graph.nodes.filter(({ kind }) => kind === 'weight').map(({ id }) => id));
  const still = graph.loss === undefined ? [] : tensors.filter(({ id }) => weights.has(id) && !trained.has(id));
  if (still.length === 0) return `def make_net() -> ${name}:\n    return ${name}()`;
  return [
    `def make_net() -> ${name}:`,
    `    net = ${name}()`,
    `    for parameter in (${still.map(({ path }) => quoted(path)).join(', ')},):`,
    '        net.get_parameter(parameter).requires_grad_(False)  # the loss does not depend on it',
    '    return net',
  ].join('\n');
}

/** Every tensor: its name in ZigZag, where it lives, and how it begins. */
function tensorTable(graph: Graph, { tensors }: Classes): string {
  const byId = new Map(graph.nodes.map((node) => [node.id, node]));
  const order = new Map(graph.nodes.map(({ id }, i) => [id, i]));
  const sorted = tensors.toSorted((a, b) => (order.get(a.id) ?? 0) - (order.get(b.id) ?? 0));
  return [
    "# Every tensor by ZigZag's name: where it is in the net's state, and how it begins: an init and its standard deviation.",
    'TENSORS = {',
    ...sorted.map(({ id, path }) => `    ${quoted(id)}: (${quoted(path)}, ${initOf(byId.get(id))}),`),
    '}',
  ].join('\n');
}

const initOf = (node: Node | undefined): string => {
  if (node?.kind === 'weight') return `${quoted(node.attrs.init)}, ${number(node.attrs.std)}`;
  return node?.kind === 'state' && node.attrs.value === 1 ? '"ones", 0' : '"zeros", 0';
};

/** The weights' part, with the inits that the net has. */
function weightsPart(graph: Graph): string {
  const inits = new Set<string>(graph.nodes.flatMap((node) => (node.kind === 'weight' ? [node.attrs.init] : node.kind === 'state' ? [node.attrs.value === 1 ? 'ones' : 'zeros'] : [])));
  const needed: Readonly<Record<string, string>> = { truncated_normals: 'truncated_normal', orthogonal: 'orthogonal' };
  return textOf(WEIGHTS, (name) => needed[name] === undefined || inits.has(needed[name]))
    .split('\n')
    .filter((line) => {
      const init = /^ {4}"(\w+)": lambda shape/.exec(line)?.[1];
      return init === undefined || inits.has(init);
    })
    .join('\n');
}

/** Data and training. */
function pipeline(graph: Graph, named: boolean): string[] {
  const used = augmentationsOf(graph);
  const isUsed = (name: string): boolean => !isAugmentation(name) || used.has(name);
  const views = viewLines(graph).join('\n');
  const data = used.size === 0 ? [textOf(DATA), views, textOf(PLAIN_READINGS)] : [textOf(AUGMENT, isUsed), views, textOf(DATA)];
  return [...data, textOf(NORMALISATIONS[graph.train.normalize]), textOf(SYNTHETIC), heading('Training and scoring, on one device or under torchrun.'), optimizerLines(graph).join('\n'), scheduleLines(graph).join('\n'), training(graph, named)];
}

/** The training part; without clipping where there is none, nor names where they are not known. */
const training = ({ train }: Graph, named: boolean): string =>
  textOf(TRAIN).split('\n').filter((line) => (train.clipNorm > 0 || !line.includes('CLIP_NORM')) && (named || !line.includes('NAMES'))).join('\n');
