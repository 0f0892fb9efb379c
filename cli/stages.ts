// The stages of a compilation on the command line: what is wrong with the source is thrown.

import type { Program } from '../compiler/2-graph/build.ts';
import { PassError } from '../compiler/3-passes/pass.ts';
import * as inspect from '../compiler/inspect/stages.ts';
import { SourceError } from './diagnostics.ts';
import { programTexts } from './load.ts';

export { MADE_FOR_BACKENDS, type Stage } from '../compiler/inspect/stages.ts';

/** All stages of a net. Throws SourceError where the source is wrong. */
export function stagesOf(program: Program, net: string, options: inspect.StageOptions): readonly inspect.Stage[] {
  const found = inspect.stagesOf(program, net, options);
  if ('diagnostics' in found) throw new SourceError(found.diagnostics, programTexts(program));
  return found.stages;
}

/** Runs a compilation; what a pass finds wrong in the source is a SourceError. */
export function passErrorsAs<T>(program: Program, compile: () => T): T {
  try {
    return compile();
  } catch (error) {
    if (error instanceof PassError) throw new SourceError(error.diagnostics, programTexts(program));
    throw error;
  }
}
