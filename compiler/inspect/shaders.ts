// The shaders of a net, each once, below the steps that run it.

import type { Graph } from '../2-graph/graph.ts';
import { emitWebGpu } from '../5-emit/wgsl/emit.ts';

/**
 * WGSL; what a step binds and how many workgroups it starts stand in comments. Those that make the batch from a data set on the device come first.
 * The graph has been through all passes.
 */
export function shaderText(graph: Graph, batch: number): string {
  const { feed = [], steps: own } = emitWebGpu(graph, {}, batch);
  const steps = [...feed, ...own].map((step, i) => {
    const bound = step.bindings.map(({ buffer, access }) => `%${buffer}${access === 'write' ? ' (written)' : ''}`).join(', ');
    return { shader: step.shader, head: `// step ${i}: ${step.name}, ${step.workgroups.join(' x ')} workgroups${step.tiling ? `, ${step.tiling.choice}` : ''}, binds ${bound}\n` };
  });
  const shaders = new Map<string, string>();
  for (const { shader, head } of steps) shaders.set(shader, (shaders.get(shader) ?? '') + head);
  return [...shaders].map(([shader, heads]) => heads + shader).join('\n');
}
