// What ONNX and PyTorch files are made of, for the page on formats.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildNet, loadProgram, memoryReader } from '../../compiler/2-graph/build.ts';
import { onnxModel } from '../../compiler/5-emit/onnx/emit.ts';
import { RULES } from '../../compiler/5-emit/onnx/rules.ts';
import { emitPyTorch } from '../../compiler/5-emit/pytorch/emit.ts';
import { casesGraph, KINDS } from '../kernels/cases.ts';
import { ROOT } from './errors.ts';
import { code, fenced, table } from './markdown.ts';

/** What an operation's cases are written with. */
const operatorsOf = (kind: (typeof KINDS)[number]): string => {
  const { nodes } = onnxModel(casesGraph([kind], 8).graph, { tensors: new Map(), version: '0' });
  const own = [...new Set(nodes.map(({ op }) => op))].filter((op) => op !== 'Transpose' || kind === 'transpose');
  return own.length === 0 || kind === 'identity' || kind === 'stop_gradient' ? 'the value itself' : own.map(code).join(', ');
};

export function onnxOperators(): string {
  const lacking = new Map<string, string[]>();
  for (const kind of KINDS) {
    const rule = RULES[kind];
    if (typeof rule !== 'function') lacking.set(rule.lacks, [...(lacking.get(rule.lacks) ?? []), code(kind)]);
  }
  const rows = KINDS.filter((kind) => typeof RULES[kind] === 'function').map((kind) => [code(kind), operatorsOf(kind)]);
  const without = [...lacking].map(([reason, kinds]) => `None for ${kinds.join(', ')}: ${reason}.`);
  return [table(['operation', 'operators'], rows), ...without].join('\n\n');
}

function emitted(file: string): string {
  const text = readFileSync(join(ROOT, 'dsl-examples', file), 'utf8');
  const { graph } = buildNet(loadProgram(file, memoryReader({ [file]: text })), undefined, { mode: 'train' });
  if (!graph) throw new Error(`${file} does not build`);
  return emitPyTorch(graph, { version: '', sources: { main: file, texts: new Map([[file, text]]) }, file: '' });
}

/** All of an example's file. */
export const pytorchFile = (): string => emitted('case-d.zz');

const between = (text: string, from: RegExp, to: RegExp): string => {
  const rest = text.slice(text.search(from));
  return rest.slice(0, rest.search(to)).trim();
};

export const pytorchNet = (): string => fenced('python', between(emitted('case-b.zz'), /^class Recurrent/m, /^def make_net/m));

export const pytorchRoutes = (): string => {
  const text = between(emitted('case-e-manual.zz'), /^ {8}# \d+: y5 = /m, /^ {8}# \d+: p9 = /m);
  return fenced('python', text.replace(/^ {8}/gm, ''));
};
