// Case b after each of the passes that see a whole step, as text. UPDATE=1 rewrites the expected dumps: read the difference.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { Graph } from '../../compiler/2-graph/graph.ts';
import { parseGraph } from '../../compiler/2-graph/parse.ts';
import { printGraph } from '../../compiler/2-graph/print.ts';
import { lossScale } from '../../compiler/3-passes/loss-scale.ts';
import { optimise } from '../../compiler/3-passes/pipeline.ts';
import { simplify } from '../../compiler/3-passes/simplify.ts';
import { run, trainingGraph } from './nets.ts';

const folder = new URL('../samples/case-b/', import.meta.url);
const source = readFileSync(new URL('input.zz', folder), 'utf8');

const graph = trainingGraph(source, { batch: 25 });
const simplified = run(graph, simplify);
const stages = new Map<string, Graph>([['simplify', simplified]]);
optimise(simplified, { batch: 25, observe: (name, each) => void (name !== 'bind' && stages.set(name, each)) });
// Two more where values are stored in f16.
const scaled = run(graph, lossScale('f16'));
stages.set('loss-scale', scaled);
optimise(run(scaled, simplify), { batch: 25, precision: 'f16', observe: (name, each) => void (name === 'precision' && stages.set(name, each)) });

test('the sample is the example', () => {
  expect(source).toBe(readFileSync(new URL('../../dsl-examples/case-b.zz', import.meta.url), 'utf8'));
});

test.each([...stages])('%s', (name, expected) => {
  const file = new URL(`${name}.txt`, folder);
  const text = printGraph(expected);
  if (process.env['UPDATE'] === '1') writeFileSync(file, text);
  expect(existsSync(file) ? readFileSync(file, 'utf8') : '').toBe(text);
  expect(parseGraph(text)).toEqual(expected);
});
