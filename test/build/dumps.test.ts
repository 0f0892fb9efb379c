// The graph as built and as unrolled, as text, for sample nets. UPDATE=1 rewrites the expected dumps: read the difference.

import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseGraph } from '../../compiler/2-graph/parse.ts';
import { printGraph } from '../../compiler/2-graph/print.ts';
import { unroll } from '../../compiler/3-passes/unroll.ts';
import { graphOf, ROOT } from './helpers.ts';

const SAMPLES = join(ROOT, 'test/samples');

describe.each(readdirSync(SAMPLES).sort())('%s', (name) => {
  const source = readFileSync(join(SAMPLES, name, 'input.zz'), 'utf8');
  const first = /^net (\w+)/m.exec(source)?.[1] ?? '';
  const built = graphOf(source, { net: first });
  const stages = { 'graph.txt': built, 'unroll.txt': unroll.run(built) };

  it.each(Object.entries(stages))('%s', (file, graph) => {
    const path = join(SAMPLES, name, file);
    const text = printGraph(graph);
    if (process.env['UPDATE'] === '1') writeFileSync(path, text);
    expect(existsSync(path) ? readFileSync(path, 'utf8') : '').toBe(text);
    expect(parseGraph(text)).toEqual(graph);
  });
});
