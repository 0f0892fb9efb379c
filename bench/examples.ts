// The networks of dsl-examples/, compiled and opened on a backend.

import { readFileSync } from 'node:fs';
import { buildNet, loadProgram, memoryReader } from '../compiler/2-graph/build.ts';
import type { Precision } from '../compiler/3-passes/precision.ts';
import type { TrainSettings } from '../compiler/2-graph/graph.ts';
import { compileModel } from '../compiler/compile.ts';
import type { Model, Program } from '../compiler/5-emit/model.ts';
import type { Session } from '../runtime/backend.ts';
import { persistent } from '../runtime/checkpoint.ts';
import { initialValues } from '../runtime/init.ts';
import { TRAIN } from '../runtime/train.ts';
import { backendsFor, openFirst } from '../cli/backends.ts';

/** The five cases. */
export const CASES = ['case-a', 'case-b', 'case-c', 'case-d', 'case-e'];

export const sourceOf = (net: string) => loadProgram(`${net}.zz`, memoryReader({ [`${net}.zz`]: readFileSync(`dsl-examples/${net}.zz`, 'utf8') }));

/** The distinct images of a step that reads so many: a net may enter each of them several times. Throws RangeError where that is no whole number. */
export function imagesFor(net: string, readings: number): number {
  const { graph } = buildNet(sourceOf(net), undefined, { mode: 'train' });
  const parts = Math.max(...(graph?.views ?? []).map((view) => view.parts.length));
  if (readings % parts !== 0) throw new RangeError(`${net} reads every image ${parts} times: ${readings} readings are no whole number of images`);
  return readings / parts;
}

export interface Opened {
  readonly model: Model;
  readonly session: Session;
  readonly program: Program<unknown>;
  readonly settings: TrainSettings;
}

export interface ExampleOptions {
  /** Images that a step reads; a net that enters each image twice takes half as many. */
  readonly readings: number;
  readonly width: number;
  readonly backend: string;
  readonly precision?: Precision;
  readonly settings?: Partial<TrainSettings>;
}

/** Opens a net's training program with its first weights. */
export async function openExample(net: string, { readings, width, backend, precision = 'f32', settings: changed = {} }: ExampleOptions): Promise<Opened> {
  const source = sourceOf(net);
  const { graph } = buildNet(source, undefined, { mode: 'train', width });
  if (!graph) throw new Error(`${net}.zz has errors`);
  const settings = { ...graph.train, ...changed, batch: imagesFor(net, readings) };
  const { model, session } = await openFirst(backendsFor(backend, { precision }), (target) => {
    const compiled = compileModel(source, undefined, { [TRAIN]: { mode: 'train', batch: settings.batch } }, target, { width, settings, precision });
    if ('diagnostics' in compiled) throw new Error(`${net}.zz has errors`);
    return compiled;
  });
  for (const [id, values] of initialValues(persistent(model), settings.seed)) await session.write(id, values);
  const program = model.programs[TRAIN];
  if (!program) throw new RangeError('the model has no training program');
  return { model, session, program, settings };
}
