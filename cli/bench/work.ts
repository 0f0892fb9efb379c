// What each step of a program is called, does and comes from: operations and bytes as its backend has counted them, otherwise by the graph.

import { bindBatch } from '../../compiler/2-graph/bind.ts';
import type { Graph, Node, ValueId } from '../../compiler/2-graph/graph.ts';
import { nodesById } from '../../compiler/2-graph/queries.ts';
import { flopsOf } from '../../compiler/3-passes/cost.ts';
import type { BufferSpec, Program, ReferenceStep, WasmStep, WebGpuStep, Work } from '../../compiler/5-emit/model.ts';
import { partsOf } from '../../runtime/backends/buffers.ts';
import { originsOf } from '../origin.ts';

export interface StepWork extends Work {
  readonly name: string;
  /** The graph's values that it computes, or has a part in. */
  readonly nodes: readonly Node[];
}

type AnyStep = Partial<WebGpuStep & WasmStep & ReferenceStep>;

/** For every step of a program, which was made of the graph. */
export function worksOf(program: Program<unknown>, symbolic: Graph): StepWork[] {
  const graph = bindBatch(symbolic, program.batch);
  const nodes = nodesById(graph);
  const origins = originsOf(graph);
  const specs = new Map(program.buffers.map((spec) => [spec.id, spec]));
  const typeOf = (id: ValueId): Node['type'] => nodes.get(id)?.type ?? { dtype: 'f32', shape: [] };
  const counted = new Set<ValueId>();
  return (program.steps as readonly AnyStep[]).map((step) => {
    const { name, reads, writes } = plain(step);
    const made = writes.flatMap((id) => origins.made(id) ?? []);
    const members = [...new Set(made.flatMap(origins.kernel))];
    if (step.work) return { name, nodes: members, ...step.work };
    // A value that several steps have a part in counts at the first that writes a value of the graph which depends on it; packed copies and the like do not.
    const whole = new Set(writes.filter((id) => nodes.has(id)).flatMap((id) => origins.made(id) ?? []).flatMap(origins.kernel));
    const own = members.filter((node) => whole.has(node) && !counted.has(node.id));
    for (const { id } of own) counted.add(id);
    const bytes = [...new Set([...reads, ...writes])].reduce((sum, id) => sum + bytesOf(specs.get(id)), 0);
    return { name, nodes: members, operations: own.reduce((sum, node) => sum + flopsOf(node, typeOf), 0), bytes };
  });
}

function plain({ name, kernel, bindings, parts, reads, inputs, writes, output }: AnyStep): { readonly name: string; readonly reads: readonly ValueId[]; readonly writes: readonly ValueId[] } {
  const title = name ?? kernel ?? 'kernel';
  const does = bindings && partsOf({ name: title, bindings, ...(parts && { parts }) });
  const written = writes ?? output;
  return {
    name: title,
    reads: does?.flatMap((part) => part.reads) ?? reads ?? inputs ?? [],
    writes: does?.flatMap((part) => part.writes) ?? (written === undefined ? [] : [written]),
  };
}

const bytesOf = (spec: BufferSpec | undefined): number => (spec ? spec.shape.reduce((a, b) => a * b, 1) * (spec.dtype === 'f16' ? 2 : 4) : 0);
