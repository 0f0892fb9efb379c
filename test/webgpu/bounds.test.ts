// No shader reaches outside its buffers: the backend opens its devices without WebGPU's own checks of every index, where it may.

import { describe, expect, test } from 'vitest';
import { createBuilder } from '../../compiler/2-graph/builder.ts';
import type { Graph } from '../../compiler/2-graph/graph.ts';
import { emitWebGpu } from '../../compiler/5-emit/wgsl/emit.ts';
import { EVERY_DEVICE } from '../../compiler/5-emit/wgsl/shader.ts';
import type { Program, WebGpuStep } from '../../compiler/5-emit/model.ts';
import type { Tensor } from '../../runtime/backend.ts';
import { casesGraph, graphOf as graphOfNodes, KINDS } from '../kernels/cases.ts';
import { graphOf } from '../wasm/harness.ts';
import { checkedProgram, OUTSIDE } from './bounds.ts';
import { backend, missing, modelOf, skipped } from './harness.ts';
import { PRODUCTS, SHAPES } from './products.ts';

/** The steps that reach outside, and how often, in one run. */
async function outside(graph: Graph, program: Program<WebGpuStep>, feeds: ReadonlyMap<string, Tensor>): Promise<string[]> {
  const session = await backend.open(modelOf({ run: checkedProgram(program) }, graph));
  try {
    await session.run('run', feeds, []);
    const counts = await session.read(OUTSIDE);
    return program.steps.flatMap(({ name }, i) => (counts[i] === 0 ? [] : [`${name}: ${counts[i]}`]));
  } finally {
    await session.dispose();
  }
}

describe.skipIf(missing !== undefined)(`no access is out of bounds${skipped}`, () => {
  test('of those that are', async () => {
    const builder = createBuilder();
    builder.add('input', [], { name: 'x', shape: [5] }, { id: 'x' });
    builder.add('exp', ['x'], {}, { id: 'y' });
    const graph = graphOfNodes(builder, ['y']);
    const program = emitWebGpu(graph, {}, 1);
    const feeds = new Map([['x', new Float32Array(5)]]);
    expect(await outside(graph, program, feeds)).toEqual([]);
    const beyond = program.steps.map((step) => ({ ...step, shader: step.shader.replace('if q >= 2 ', 'if q >= 3 ') }));
    expect(await outside(graph, { ...program, steps: beyond }, feeds)).toEqual(['exp_y: 2']);
  });

  test('of every operation on random shapes', async () => {
    const { graph, feeds } = casesGraph(KINDS, 3);
    expect(await outside(graph, emitWebGpu(graph, {}, 2), feeds)).toEqual([]);
  });

  test('of what is computed apart on devices that bind few buffers', async () => {
    const { graph, feeds } = casesGraph(KINDS, 3);
    const device = { ...EVERY_DEVICE, limits: { ...EVERY_DEVICE.limits, storageBuffers: 4 } };
    expect(await outside(graph, emitWebGpu(graph, { device }, 2), feeds)).toEqual([]);
  });

  SHAPES.forEach((shape, i) => {
    const { tile } = shape;
    test(`of products in tiles of ${tile.rows} by ${tile.columns} by ${tile.depth}`, async () => {
      const { graph, feeds } = graphOf(PRODUCTS.filter((_, j) => j % 3 === i));
      expect(await outside(graph, emitWebGpu(graph, { tiling: () => shape }, 1), feeds)).toEqual([]);
    });
  });
});
