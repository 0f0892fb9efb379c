// The stages of a net's compilation. Those of the last request are kept: one after the other is looked at.

import { loadProgram } from '../../compiler/2-graph/build.ts';
import { wasmEmitter } from '../../compiler/emitters.ts';
import { unifiedDiff } from '../../compiler/inspect/diff.ts';
import { drawStages } from '../../compiler/inspect/stage-drawing.ts';
import type { DrawnStage } from '../../compiler/inspect/stage-drawing.ts';
import { MADE_FOR_BACKENDS, stagesOf } from '../../compiler/inspect/stages.ts';
import type { Stage } from '../../compiler/inspect/stages.ts';
import { takesRelaxedSimd } from '../../runtime/backends/wasm/engine.ts';
import { readerOf } from './source.ts';
import type { Edited } from './source.ts';

export interface StageRequest extends Edited {
  readonly net: string;
  /** Of the stages from `bind` on. */
  readonly batch: number;
}

interface Kept {
  readonly key: string;
  readonly stages: readonly Stage[];
  /** Whether those that are made for a backend can be shown. */
  readonly whole: boolean;
}

let kept: Kept | undefined;

/** Throws Error where the net does not build: the page asks only for those that do. */
async function compiled(request: StageRequest, shown: readonly string[]): Promise<readonly Stage[]> {
  const key = JSON.stringify(request);
  const whole = shown.some((name) => MADE_FOR_BACKENDS.includes(name));
  if (kept?.key === key && (kept.whole || !whole)) return kept.stages;
  // As on the command line, kernels and model are those of the processor's backend.
  const [target, shaders] = await Promise.all([whole ? wasmEmitter(takesRelaxedSimd()) : undefined, import('../../compiler/inspect/shaders.ts')]);
  const { net, batch } = request;
  const found = stagesOf(loadProgram(request.file, readerOf(request)), net, { mode: 'train', width: 1, batch, shaders: shaders.shaderText, ...(target && { target }) });
  if ('diagnostics' in found) throw new Error(found.diagnostics.map(({ message }) => message).join('\n'));
  kept = { key, stages: found.stages, whole };
  return kept.stages;
}

async function stage(request: StageRequest, name: string, others: readonly string[] = []): Promise<Stage> {
  const found = (await compiled(request, [name, ...others])).find((each) => each.name === name);
  if (!found) throw new Error(`there is no stage ${name}`);
  return found;
}

/** The stages in order; those that are graphs can be drawn. */
export const stageNames = async (request: StageRequest): Promise<{ readonly name: string; readonly drawn: boolean }[]> =>
  (await compiled(request, [])).map(({ name, graph }) => ({ name, drawn: graph !== undefined }));

export const stageText = async (request: StageRequest, name: string): Promise<string> => (await stage(request, name)).text();

/** What differs between two stages, in unified form. */
export async function stageDiff(request: StageRequest, from: string, to: string): Promise<string> {
  const [a, b] = [await stage(request, from, [to]), await stage(request, to, [from])];
  return unifiedDiff({ name: from, text: a.text() }, { name: to, text: b.text() });
}

export async function stageDrawing(request: StageRequest, name: string): Promise<DrawnStage | undefined> {
  return drawStages(await compiled(request, [])).find((drawn) => drawn.name === name);
}
