// The example nets at small width, bound to a batch, with values for all their leaves.

import { readFileSync } from 'node:fs';
import { bindBatch } from '../../compiler/2-graph/bind.ts';
import { buildNet, loadProgram, memoryReader } from '../../compiler/2-graph/build.ts';
import type { Graph, Node } from '../../compiler/2-graph/graph.ts';
import { concreteShape, elementCount } from '../../compiler/2-graph/types.ts';
import { unroll } from '../../compiler/3-passes/unroll.ts';
import { textKey } from '../../runtime/random.ts';
import { draws, pick, seeded } from './numeric.ts';
import type { Values } from './numeric.ts';

/** The nets of dsl-examples/ that are trained, `FILE:NetName`. */
export const EXAMPLES = [
  'case-a:', 'case-b:', 'case-c:', 'case-d:', 'case-e:', 'case-e-crossed:', 'case-e-manual:',
  'mlp:', 'residual:Residual', 'siamese:', 'three-streams:',
] as const;

/** A net of dsl-examples/, flat, with its routes. Throws Error where it does not build. */
export function exampleGraph(example: string, width: number, batch: number): Graph {
  const [file = '', net = ''] = example.split(':');
  const path = `${file}.zz`;
  const program = loadProgram(path, memoryReader({ [path]: readFileSync(new URL(`../../dsl-examples/${path}`, import.meta.url), 'utf8') }));
  const { graph, diagnostics } = buildNet(program, net === '' ? undefined : net, { mode: 'train', width });
  if (!graph) throw new Error(`${example}: ${[...program.diagnostics, ...diagnostics].map(({ code, message }) => `${code} ${message}`).join('; ')}`);
  return bindBatch(unroll.run(graph), batch);
}

/** Values of a net in mid-training: weights of a size that keeps activations near 1, none of them at a special value. */
export function exampleValues(graph: Graph, seed: number): Values {
  return new Map(graph.nodes.filter((node) => node.inputs.length === 0 && node.kind !== 'constant').map((node) => [node.id, valuesOf(node, seed)]));
}

function valuesOf(node: Node, seed: number): Float64Array {
  const random = seeded(seed, textKey(node.id));
  const shape = concreteShape(node.type.shape);
  const count = elementCount(shape);
  if (node.kind === 'labels') return Float64Array.from({ length: count }, () => pick(random, 0, 9));
  if (node.kind === 'random') return draws(count, random, 0, 1);
  if (node.kind === 'state') return new Float64Array(count).fill(node.attrs.value);
  if (node.kind !== 'weight') return draws(count, random, -1.7, 1.7);
  if (node.attrs.init === 'ones') return draws(count, random, 0.5, 1.5);
  if (node.attrs.init === 'zeros') return draws(count, random, -0.2, 0.2);
  const bound = Math.sqrt(6 / elementCount(shape.slice(0, -1)));
  return draws(count, random, -bound, bound);
}
