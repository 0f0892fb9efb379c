// All that a program's files and nets have wrong: what building finds, and then what the passes find.

import { checkNet, checkProgram, type CheckedNet, type Program } from './2-graph/build.ts';
import { PassError } from './3-passes/pass.ts';
import { runPasses } from './3-passes/pipeline.ts';
import { hasErrors, type Diagnostic } from './diagnostics.ts';

/** Diagnostics of the file, its imports and every net in it. `built` are the nets of its main file. */
export function checkNets(program: Program, built = (program.main?.ast.nets ?? []).map((net) => checkNet(program, net))): Diagnostic[] {
  const found = checkProgram(program, built);
  return hasErrors(found) ? found : [...found, ...built.flatMap(passErrors)];
}

function passErrors({ graph }: CheckedNet): readonly Diagnostic[] {
  // Of the passes only autodiff refuses anything, and only for declared routes.
  if (!graph || graph.routes.length === 0) return [];
  try {
    runPasses(graph, { until: 'autodiff' });
    return [];
  } catch (error) {
    if (error instanceof PassError) return error.diagnostics;
    throw error;
  }
}
