// A graph as a WebAssembly module: blocked products for the large contractions, loop nests for everything else, and one function that runs all steps.

import binaryen from 'binaryen';
import type { Graph, Node, ValueId } from '../../2-graph/graph.ts';
import { isLeaf } from '../../2-graph/ops.ts';
import { nodesById } from '../../2-graph/queries.ts';
import { concreteShape, elementCount } from '../../2-graph/types.ts';
import { load } from '../../4-kernels/expr.ts';
import { use } from '../../4-kernels/indexing.ts';
import { createKernel } from '../../4-kernels/kernel.ts';
import type { Buffer, Kernel } from '../../4-kernels/kernel.ts';
import { lower, resultsOf } from '../../4-kernels/lower.ts';
import { lowerFused } from '../../4-kernels/lower-fused.ts';
import { separateWith } from '../../4-kernels/separate.ts';
import type { Contraction } from '../../4-kernels/separate.ts';
import type { BufferSpec, Program, WasmStep } from '../model.ts';
import { bufferOf, imagesOf, neededNodes, programFrame } from '../program.ts';
import { createCode, define, finish } from './code.ts';
import type { Code, CodeOptions } from './code.ts';
import { productOf } from './contraction.ts';
import { epilogueOf } from './epilogue.ts';
import { defineNest } from './nest.ts';
import { contractionSteps } from './steps.ts';
import type { ContractionPart, Step, Workshop } from './steps.ts';
import { defineBarrier, HEAD } from './threads.ts';
import { winogradOf } from './winograd.ts';

/**
 * The program of a graph that is bound to a batch and has no structure nodes. `batch` is how many distinct images a run takes.
 * Throws RangeError where the graph is not bound, Error where it holds f16 values.
 */
export function emitWasm(graph: Graph, options: CodeOptions, batch = imagesOf(graph)): Program<WasmStep> {
  const nodes = neededNodes(graph);
  for (const node of nodes) if (node.type.dtype === 'f16') throw new Error(`%${node.id}: the wasm backend computes in f32, not f16`);
  const needed = { ...graph, nodes };
  const emitter = createEmitter(options);
  const parts = lowered(needed).flatMap((part) => ('product' in part ? emitter.contraction(part) : [emitter.kernel(part)]));
  const copies = copiesOf(graph, nodes).map(emitter.kernel);
  const steps = [...parts, ...copies];
  const leaves = nodes.filter((node) => isLeaf(node.kind)).map(bufferOf);
  const known = new Set(leaves.map(({ id }) => id));
  const written = new Map(steps.map(({ output }) => [output.id, output]));
  const temporaries = [...written.values()].map((output): BufferSpec => ({ ...output, role: { kind: 'temporary' } })).filter(({ id }) => !known.has(id));
  return {
    ...programFrame(graph, batch),
    buffers: [...leaves.filter(isUsed(graph, steps)), ...temporaries],
    steps: steps.map(({ kernel, reads, output, scratch }) => ({ kernel, reads, writes: output.id, scratch })),
    // The steps end with copies into weights and states.
    updates: [],
    code: emitter.finish(steps),
  };
}

/** Constants are numbers in the kernels that read them: a buffer is made only where one is wanted as it is. */
const isUsed = (graph: Graph, steps: readonly Step[]) => {
  const named = new Set([...resultsOf(graph), ...steps.flatMap((step) => step.reads)]);
  return ({ id, role }: BufferSpec): boolean => role.kind !== 'constant' || named.has(id);
};

// What there is to emit.

/** The kernels of a graph, those of a large contraction replaced by one product. Of fused kernels, what follows a product is computed on its sums. */
function lowered(graph: Graph): (Kernel | ContractionPart)[] {
  if (graph.nodes.some((node) => node.tags.kernel !== undefined)) return lowerFused(graph).flatMap((kernel) => separateWith(kernel, productFor));
  const byId = nodesById(graph);
  const results = resultsOf(graph);
  const node = (id: ValueId): Node => byId.get(id) ?? missing(id);
  const shapeOf = (id: ValueId): readonly number[] => concreteShape(node(id).type.shape);
  // Reshapes and identities have no buffers of their own, unless they are results; nor have constants.
  const buffer = (id: ValueId): ValueId | undefined => {
    const { kind, inputs } = node(id);
    const isAlias = ['reshape', 'identity', 'stop_gradient'].includes(kind) && !results.has(id);
    return isAlias ? buffer(inputs[0] ?? '') : kind === 'constant' ? undefined : id;
  };
  const products = new Map<ValueId, ContractionPart>();
  for (const each of graph.nodes) {
    const shapes = each.inputs.map(shapeOf);
    const product = productOf(each, shapes);
    const [left, right] = product ? each.inputs.map(buffer) : [];
    if (product && left !== undefined && right !== undefined) {
      products.set(each.id, { product, winograd: winogradOf(each, shapes), output: { id: each.id, dtype: 'f32', shape: shapeOf(each.id) }, left, right });
    }
  }
  return lower(graph).flatMap((kernel): (Kernel | ContractionPart)[] => {
    const product = kernel.from.length === 1 ? products.get(kernel.from[0] ?? '') : undefined;
    if (!product) return [kernel];
    return kernel.output.id === product.output.id ? [product] : []; // a stage of what the product does at once
  });
}

/** A contraction as a product with an epilogue, where there are both. */
function productFor({ node, operands, shapes, output, indices, acc, body, params }: Contraction): ContractionPart | undefined {
  const product = productOf(node, shapes);
  const [left, right] = operands;
  if (!product || !left || !right) return undefined;
  const part = { product, winograd: winogradOf(node, shapes), output, left: left.id, right: right.id };
  if (body.kind === 'local') return part;
  const epilogue = epilogueOf({ indices, acc, body, params }, output, product);
  return epilogue && { ...part, epilogue };
}

const missing = (id: ValueId): never => {
  throw new Error(`no value %${id}`);
};

/** The updates as kernels. A leaf that another takes is put aside first: it may be updated itself. */
function copiesOf(graph: Graph, nodes: readonly Node[]): Kernel[] {
  const buffers = new Map(nodes.map((node) => [node.id, bufferOf(node)]));
  const buffer = (id: ValueId): Buffer => buffers.get(id) ?? missing(id);
  const copy = (to: Buffer, from: Buffer): Kernel => {
    const index = { name: 'i', extent: elementCount(to.shape) };
    return createKernel({ name: `copy_${to.id}`, kind: 'map', from: [], output: to, indices: [index], body: load(from.id, use(index)) }, () => from);
  };
  const aside = (id: ValueId): Buffer => ({ id: `${id}.before`, dtype: 'f32', shape: buffer(id).shape });
  const targets = new Set(graph.updates.map((update) => update.target));
  const leaves = [...new Set(graph.updates.map((update) => update.value).filter((value) => targets.has(value)))];
  return [
    ...leaves.map((id) => copy(aside(id), buffer(id))),
    ...graph.updates.map(({ target, value }) => copy(buffer(target), targets.has(value) ? aside(value) : buffer(value))),
  ];
}

// The module.

/** A module under construction. Kernels of equal form are one function; buffers are its parameters. */
function createEmitter(options: CodeOptions) {
  const code = createCode(options);
  const functions = new Map<string, string>();
  const workshop: Workshop = {
    code,
    kernel(kind, params, form, make) {
      const key = `${kind} ${keyOf(params, form)}`;
      const found = functions.get(key);
      if (found !== undefined) return found;
      const name = `${kind}_${functions.size}`;
      functions.set(key, name);
      make(name);
      return name;
    },
  };
  return {
    kernel(kernel: Kernel): Step {
      const name = workshop.kernel(kernel.name.replace(/_[^_]*$/, ''), kernel.params, [kernel.indices, kernel.body], (fresh) => defineNest(code, fresh, kernel));
      return { kernel: name, reads: kernel.params.map((param) => param.id), output: kernel.output, scratch: 0 };
    },
    contraction: (part: ContractionPart): Step[] => contractionSteps(workshop, part),
    finish(steps: readonly Step[]): Uint8Array {
      defineRun(code, steps);
      return finish(code);
    },
  };
}

/** The same text for forms that differ in the names of buffers alone. */
function keyOf(params: readonly Buffer[], form: readonly unknown[]): string {
  const place = new Map(params.map((param, i) => [param.id, i]));
  return JSON.stringify([...form, params.map((param) => param.dtype)], (name, value: unknown) => (name === 'buffer' ? place.get(value as ValueId) : numberKey(value)));
}

/** JSON has no infinities and no NaN. */
const numberKey = (value: unknown): unknown => (typeof value === 'number' && !Number.isFinite(value) ? String(value) : value);

/** Imports, and `run`(thread, threads, from, to): the steps from one number up to another, in turn, and a barrier after each. */
function defineRun(code: Code, steps: readonly Step[]): void {
  const { m } = code;
  const importAddress = (module: string, name: string): void => m.addGlobalImport(module === 'arena' ? name : `${module}.${name}`, module, name, binaryen.i32);
  for (const name of ['control', 'zeros', 'scratch', 'stride']) importAddress('arena', name);
  for (const id of new Set(steps.flatMap((step) => [...step.reads, step.output.id]))) importAddress('buffer', id);
  const address = (id: string): number => m.global.get(id, binaryen.i32);
  defineBarrier(code);
  define(code, 'run', 4, (_, [thread, threads, from, to]) => {
    if (!thread || !threads || !from || !to) throw new Error('arity');
    const head = (): number[] => [
      thread.get(),
      threads.get(),
      m.i32.add(address('scratch'), m.i32.mul(thread.get(), address('stride'))),
      address('zeros'),
    ];
    return steps.map(({ kernel, output, reads, numbers = [] }, i) => {
      const call = m.call(kernel, [...head().slice(0, HEAD.length), ...[output.id, ...reads].map((id) => address(`buffer.${id}`)), ...numbers.map((value) => m.i32.const(value))], binaryen.none);
      const within = m.i32.lt_u(m.i32.sub(m.i32.const(i), from.get()), m.i32.sub(to.get(), from.get()));
      return m.if(within, m.block(null, [call, m.call('barrier', [threads.get()], binaryen.none)]));
    });
  });
  m.addFunctionExport('run', 'run');
}
