// All that a program's files and nets have wrong: what building finds, and then what the passes find.

import { checkNet, checkProgram, type CheckedNet, type Program } from './2-graph/build.ts';
import type { Graph } from './2-graph/graph.ts';
import { autodiff } from './3-passes/autodiff.ts';
import { PassError } from './3-passes/pass.ts';
import { unroll } from './3-passes/unroll.ts';
import { hasErrors, type Diagnostic } from './diagnostics.ts';

/** Diagnostics of the file, its imports and every net in it. `built` are the nets of its main file, `errorsOf` what the passes find in one. */
export function checkNets(program: Program, built = (program.main?.ast.nets ?? []).map((net) => checkNet(program, net)), errorsOf = ({ graph }: CheckedNet): readonly Diagnostic[] => (graph ? passErrors(graph) : [])): Diagnostic[] {
  const found = checkProgram(program, built);
  return hasErrors(found) ? found : [...found, ...built.flatMap(errorsOf)];
}

/** Whether passes may find anything: of them only autodiff refuses anything, and only for declared routes. */
export const mayBeRefused = ({ routes }: Graph): boolean => routes.length > 0;

/** What the passes find in a net's training graph. */
export function passErrors(graph: Graph): readonly Diagnostic[] {
  if (!mayBeRefused(graph)) return [];
  try {
    // Not verified, as nothing is made from the result.
    autodiff.run(unroll.run(graph));
    return [];
  } catch (error) {
    if (error instanceof PassError) return error.diagnostics;
    throw error;
  }
}
