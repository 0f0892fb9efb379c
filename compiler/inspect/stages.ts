// Every stage of a net's compilation, in order, each with its text, JSON and (for graphs) GraphViz forms.

import { parse } from '../1-syntax/parse.ts';
import type { Program } from '../2-graph/build.ts';
import { graphToDot } from '../2-graph/dot.ts';
import type { Graph, TrainSettings } from '../2-graph/graph.ts';
import { graphToJson } from '../2-graph/json.ts';
import { printGraph } from '../2-graph/print.ts';
import { memoryPlan } from '../3-passes/memory-plan.ts';
import { arenaLines, svgPicture, textPicture } from '../3-passes/memory-picture.ts';
import { PassError } from '../3-passes/pass.ts';
import type { Precision } from '../3-passes/precision.ts';
import { printFusedKernels } from '../4-kernels/fused.ts';
import { printKernels } from '../4-kernels/kernel.ts';
import { lowerFused } from '../4-kernels/lower-fused.ts';
import { lower } from '../4-kernels/lower.ts';
import type { Program as ModelProgram } from '../5-emit/model.ts';
import { compileNet, type Emitter } from '../compile.ts';
import type { Diagnostic, Source } from '../diagnostics.ts';
import { printTokens, tokensToJson } from './tokens.ts';
import { printTree } from './tree.ts';

export interface Stage {
  readonly name: string;
  readonly text: () => string;
  readonly json: () => unknown;
  readonly dot?: () => string;
  readonly svg?: () => string;
  readonly graph?: Graph;
}

export interface StageOptions {
  readonly mode: Graph['mode'];
  readonly width: number;
  /** For the stages from `bind` on. */
  readonly batch: number;
  readonly remat?: boolean;
  readonly precision?: Precision;
  readonly settings?: TrainSettings;
  /** What kernels and model are made for. Without it those stages are named, but cannot be shown. */
  readonly target?: Emitter<unknown>;
  /** Writes the shaders of an optimised graph. Without it that stage is named, but cannot be shown. */
  readonly shaders?: (graph: Graph, batch: number) => string;
}

/** The stages that differ between backends. */
export const MADE_FOR_BACKENDS: readonly string[] = ['kernels', 'model'];

/** All stages of a net, or what is wrong with it. */
export function stagesOf(program: Program, net: string, options: StageOptions): { readonly stages: readonly Stage[] } | { readonly diagnostics: readonly Diagnostic[] } {
  const { mode, width, batch, remat = false, precision = 'f32', settings, target, shaders } = options;
  const { main } = program;
  if (!main) return { diagnostics: program.diagnostics };
  const stages: Stage[] = [tokens(main.source), syntax(main.ast)];
  const { graph, diagnostics } = refusals(() =>
    compileNet(program, net, { mode, width, batch, remat, precision, ...(settings && { settings }), observe: (name, each) => void stages.push(name === 'memory' ? memoryStage(name, each) : graphStage(name, each)) }),
  );
  if (!graph) return { diagnostics };
  const input = target?.fused ? graph : (stages.find((stage) => stage.name === 'bind')?.graph ?? graph);
  const kernels = target?.fused
    ? { text: () => printFusedKernels(lowerFused(input)), json: () => lowerFused(input) }
    : { text: () => printKernels(lower(input)), json: () => lower(input) };
  const model = () => {
    if (!target) throw new RangeError('a model is made for a backend, and none is given');
    return target.emit(input, batch);
  };
  const wgsl = (): string => {
    if (!shaders) throw new RangeError('nothing is given that writes shaders');
    return shaders(graph, batch);
  };
  return {
    stages: [
      ...stages,
      { name: 'kernels', ...kernels },
      { name: 'model', text: () => printModel(model()), json: model },
      { name: 'wgsl', text: wgsl, json: wgsl },
    ],
  };
}

/** What a pass refuses is something wrong in the source. */
function refusals(compile: () => ReturnType<typeof compileNet>): ReturnType<typeof compileNet> {
  try {
    return compile();
  } catch (error) {
    if (error instanceof PassError) return { diagnostics: error.diagnostics };
    throw error;
  }
}

const tokens = (source: Source): Stage => ({ name: 'tokens', text: () => printTokens(parse(source).tokens, source), json: () => tokensToJson(parse(source).tokens, source) });

const syntax = (ast: unknown): Stage => ({ name: 'ast', text: () => printTree(ast), json: () => ast });

const graphStage = (name: string, graph: Graph): Stage => ({ name, graph, text: () => printGraph(graph), json: () => graphToJson(graph), dot: () => graphToDot(graph) });

/** The graph with its places, and then what lies where and when: as comments, so that the text reads back. */
const memoryStage = (name: string, graph: Graph): Stage => ({
  ...graphStage(name, graph),
  text: () => {
    const plan = memoryPlan(graph);
    return `${printGraph(graph)}\n${[...arenaLines(plan), '', ...textPicture(plan)].map((line) => `// ${line}`.trimEnd()).join('\n')}\n`;
  },
  svg: () => svgPicture(memoryPlan(graph), graph.name),
});

/** Buffers and steps, one a line. */
function printModel(program: ModelProgram<unknown>): string {
  const { batch, buffers, steps, outputs, updates, loss, logits, correct } = program;
  const role = ({ kind, ...more }: { readonly kind: string }): string => [kind, ...Object.values(more).map(String)].join(' ');
  const step = (each: unknown): string => {
    if (typeof each !== 'object' || each === null) return String(each);
    const { reads, inputs, writes, output, name, source } = each as Record<string, unknown>;
    const what = typeof name === 'string' ? name : typeof source === 'string' ? (/\bfunction\s*(\w*)/.exec(source)?.[1] ?? '') : '';
    const from = (reads ?? inputs ?? []) as readonly string[];
    return `%${String(writes ?? output)} = ${what}(${from.map((id) => `%${id}`).join(', ')})`.replace('= (', '= kernel(');
  };
  return [
    `program of ${batch} images`,
    ...buffers.map(({ id, dtype, shape, role: of }) => `buffer %${id}: ${dtype}[${shape.join(',')}] ${role(of)}`),
    ...steps.map((each, i) => `step ${i}: ${step(each)}`),
    ...outputs.map(({ name, buffer }) => `output ${name} = %${buffer}`),
    ...Object.entries({ loss, logits, correct }).flatMap(([name, id]) => (id === undefined ? [] : [`${name} = %${id}`])),
    ...updates.map(({ target, value }) => `update %${target} = %${value}`),
    '',
  ].join('\n');
}
