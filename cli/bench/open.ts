// Nets on a backend, with random images, for measurements.

import type { Program as SourceProgram } from '../../compiler/2-graph/build.ts';
import type { Graph } from '../../compiler/2-graph/graph.ts';
import type { Precision } from '../../compiler/3-passes/precision.ts';
import { compileModel } from '../../compiler/compile.ts';
import type { Model, Program } from '../../compiler/5-emit/model.ts';
import type { Session, Tensor } from '../../runtime/backend.ts';
import { feedsOf, type Images } from '../../runtime/feeds.ts';
import { uniforms } from '../../runtime/random.ts';
import { backendsFor, openFirst } from '../backends.ts';
import { SourceError } from '../diagnostics.ts';
import { programTexts } from '../load.ts';
import type { TuningRequest } from '../tuning/request.ts';

type Compiling = Parameters<typeof compileModel>;

export interface Where {
  readonly backend: string;
  readonly threads?: number | undefined;
  readonly tuning?: TuningRequest | undefined;
  readonly precision: Precision;
}

export interface OpenNet {
  readonly model: Model;
  readonly graphs: Readonly<Record<string, Graph>>;
  readonly session: Session;
}

export const openNet = (program: SourceProgram, net: string, layout: Compiling[2], compile: Compiling[4], { backend, ...options }: Where): Promise<OpenNet> =>
  openFirst(backendsFor(backend, options), (target) => {
    const compiled = compileModel(program, net, layout, target, { ...compile, precision: options.precision });
    if ('diagnostics' in compiled) throw new SourceError(compiled.diagnostics, programTexts(program));
    return compiled;
  });

export const elements = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Random images and labels for every leaf of a program. */
export function randomFeeds(program: Program<unknown>, seed: number): ReadonlyMap<string, Tensor> {
  const next = uniforms(seed);
  const classes = program.buffers.find(({ id }) => id === program.logits)?.shape.at(-1) ?? 1;
  const images: Images = {
    inputs: new Map(program.buffers.flatMap(({ role, shape }) => (role.kind === 'input' ? [[role.view, Float32Array.from({ length: elements(shape) }, () => 2 * next() - 1)] as const] : []))),
    labels: Int32Array.from({ length: program.batch }, () => Math.floor(classes * next())),
  };
  return feedsOf(program, images, { step: 0, stepsPerEpoch: 100, totalSteps: 1000 }, seed);
}
