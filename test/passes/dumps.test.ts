// Case b after each of the passes that see a whole step, as text. UPDATE=1 rewrites the expected dumps: read the difference.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { Graph } from '../../compiler/2-graph/graph.ts';
import { parseGraph } from '../../compiler/2-graph/parse.ts';
import { printGraph } from '../../compiler/2-graph/print.ts';
import { optimise } from '../../compiler/3-passes/pipeline.ts';
import { simplify } from '../../compiler/3-passes/simplify.ts';
import { run, trainingGraph } from './nets.ts';

const folder = new URL('../samples/case-b/', import.meta.url);
const source = readFileSync(new URL('input.zz', folder), 'utf8');

const simplified = run(trainingGraph(source, { batch: 25 }), simplify);
const stages = new Map<string, Graph>([['simplify', simplified]]);
optimise(simplified, { batch: 25, observe: (name, graph) => void (name !== 'bind' && stages.set(name, graph)) });
optimise(simplified, { batch: 25, precision: 'f16', observe: (name, graph) => void (name === 'precision' && stages.set(name, graph)) });

test('the sample is the example', () => {
  expect(source).toBe(readFileSync(new URL('../../dsl-examples/case-b.zz', import.meta.url), 'utf8'));
});

test.each([...stages])('%s', (name, graph) => {
  const file = new URL(`${name}.txt`, folder);
  const text = printGraph(graph);
  if (process.env['UPDATE'] === '1') writeFileSync(file, text);
  expect(existsSync(file) ? readFileSync(file, 'utf8') : '').toBe(text);
  expect(parseGraph(text)).toEqual(graph);
});
