// The shaders of a net, each once, below the steps that run it.

import type { Graph } from '../2-graph/graph.ts';
import { emitWebGpu } from '../5-emit/wgsl/emit.ts';

/**
 * WGSL; what a step binds, what arenas hold for it and from which element on, and how many workgroups it starts stand in comments. Those that make the batch from a data set on the device come first.
 * The graph has been through all passes.
 */
export function shaderText(graph: Graph, batch: number): string {
  const { buffers, feed = [], steps: own } = emitWebGpu(graph, {}, batch);
  const within = new Map(buffers.map((spec) => [spec.id, spec.within]));
  const steps = [...feed, ...own].map((step, i) => {
    const bound = step.bindings.map(({ buffer, access }) => `%${buffer}${access === 'write' ? ' (written)' : ''}`).join(', ');
    const used = [...new Set(step.parts?.flatMap(({ reads, writes }) => [...reads, ...writes]))];
    const held = step.bindings.flatMap(({ buffer }) => {
      const inside = used.flatMap((id) => (within.get(id)?.arena === buffer ? [`%${id} at ${within.get(id)?.offset}`] : []));
      return inside.length > 0 ? [`//   %${buffer} holds ${inside.join(', ')}\n`] : [];
    });
    return { shader: step.shader, head: `// step ${i}: ${step.name}, ${step.workgroups.join(' x ')} workgroups${step.tiling ? `, ${step.tiling.choice}` : ''}, binds ${bound}\n${held.join('')}` };
  });
  const shaders = new Map<string, string>();
  for (const { shader, head } of steps) shaders.set(shader, (shaders.get(shader) ?? '') + head);
  return [...shaders].map(([shader, heads]) => heads + shader).join('\n');
}
