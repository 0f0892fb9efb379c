// Builds graphs from source text, for tests of what the language means.

import { existsSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { expect } from 'vitest';
import { buildNet, checkProgram, loadProgram, memoryReader } from '../../compiler/2-graph/build.ts';
import type { BuildOptions, Program } from '../../compiler/2-graph/build.ts';
import type { Graph, Node } from '../../compiler/2-graph/graph.ts';
import type { OpKind } from '../../compiler/2-graph/ops.ts';
import { showShape } from '../../compiler/2-graph/types.ts';
import { verify } from '../../compiler/2-graph/verify.ts';
import type { Diagnostic } from '../../compiler/diagnostics.ts';

export const ROOT = join(import.meta.dirname, '../..');

export const programOf = (files: string | Readonly<Record<string, string>>): Program =>
  loadProgram('main.zz', memoryReader(typeof files === 'string' ? { 'main.zz': files } : files));

/** A program on disk, with paths relative to the repository. */
export const programAt = (path: string): Program =>
  loadProgram(path, {
    read: (file) => (existsSync(join(ROOT, file)) ? { file, text: readFileSync(join(ROOT, file), 'utf8') } : memoryReader({}).read(file)),
    resolve: (from, wanted) => posix.join(posix.dirname(from), wanted),
  });

export const showDiagnostic = ({ code, loc }: Diagnostic): string => `${code} ${loc.line}:${loc.column}`;

/** Codes and places of all diagnostics, in order. */
export const check = (files: string | Readonly<Record<string, string>>): string[] => checkProgram(programOf(files)).map(showDiagnostic);

export const messages = (source: string): string[] => checkProgram(programOf(source)).map(({ message }) => message);

/** A graph that must build without errors, and be well formed. */
export function graphOf(files: string | Readonly<Record<string, string>>, options: Partial<BuildOptions> & { net?: string } = {}): Graph {
  return sound(programOf(files), options);
}

export function sound(program: Program, { net, ...options }: Partial<BuildOptions> & { net?: string } = {}): Graph {
  const { graph, diagnostics } = buildNet(program, net, { mode: 'train', ...options });
  expect([...program.diagnostics, ...diagnostics].filter(({ severity }) => severity === 'error').map((each) => `${showDiagnostic(each)} ${each.message}`)).toEqual([]);
  if (!graph) throw new Error('no graph');
  verify(graph);
  return graph;
}

/** A net around some items, with one input; its value `y` becomes the output and, through its mean, the loss. */
export const netOf = (items: string, shape = '[8, 8, 3]'): string => `net Test {\ninput image: ${shape}\n${items}\noutput y\nloss mean(y)\n}\n`;

export const itemsOf = (items: string, options: Partial<BuildOptions> = {}): Graph => graphOf(netOf(items), options);

/** The weights by name, with their shapes. */
export const weightsOf = (graph: Graph): Record<string, string> =>
  Object.fromEntries(ofKind(graph, 'weight').map((node) => [node.id, showShape(node.type.shape)]));

export const ofKind = <K extends OpKind>(graph: Graph, kind: K): Node<K>[] => graph.nodes.filter((node) => node.kind === kind) as Node<K>[];

/** The node of an id. */
export function node(graph: Graph, id: string | undefined): Node {
  const found = graph.nodes.find((each) => each.id === id);
  if (!found) throw new Error(`no value %${id}`);
  return found;
}

export const outputShape = (graph: Graph, i = 0): string => showShape(node(graph, graph.outputs[i]?.value).type.shape);

export const parameterCount = (graph: Graph): number =>
  ofKind(graph, 'weight').reduce((sum, { type }) => sum + type.shape.reduce<number>((product, dim) => product * Number(dim), 1), 0);
