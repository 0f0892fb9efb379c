// Shaders for what every device can: all example nets, in every mode and batch that compiled models have.

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { loadProgram, memoryReader } from '../../compiler/2-graph/build.ts';
import { compileNet } from '../../compiler/compile.ts';
import { emitWebGpu } from '../../compiler/5-emit/wgsl/emit.ts';

const NETS = ['case-a', 'case-b', 'case-c', 'case-d', 'case-e', 'case-e-crossed', 'case-e-manual', 'mlp', 'residual:Residual', 'siamese', 'three-streams'];

test.each(NETS)('%s binds at most 8 buffers in a shader', (name) => {
  const [file, net] = name.split(':');
  const path = `${file}.zz`;
  const program = loadProgram(path, memoryReader({ [path]: readFileSync(new URL(`../../dsl-examples/${path}`, import.meta.url), 'utf8') }));
  for (const [mode, batch] of [['train', 25], ['evaluate', 50], ['evaluate', 1]] as const) {
    const { graph } = compileNet(program, net, { mode, batch });
    if (!graph) throw new Error(name);
    const { steps: own, feed = [] } = emitWebGpu(graph, {}, batch);
    const steps = [...feed, ...own];
    expect(Math.max(...steps.map(({ bindings }) => bindings.length)), `${mode} ${batch}`).toBeLessThanOrEqual(8);
    expect(steps.flatMap(({ needs }) => needs.features)).toEqual([]);
  }
});
