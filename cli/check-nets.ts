// All that a program's files and nets have wrong: what building finds, and then what the passes find.

import { buildNet, checkProgram, type Program } from '../compiler/2-graph/build.ts';
import { PassError } from '../compiler/3-passes/pass.ts';
import { runPasses } from '../compiler/3-passes/pipeline.ts';
import { hasErrors, type Diagnostic } from '../compiler/diagnostics.ts';

/** Diagnostics of the file, its imports and every net in it. */
export function checkNets(program: Program): Diagnostic[] {
  const found = checkProgram(program);
  if (hasErrors(found)) return found;
  return [...found, ...(program.main?.ast.nets ?? []).flatMap(({ name }) => passErrors(program, name.name))];
}

function passErrors(program: Program, net: string): readonly Diagnostic[] {
  const { graph } = buildNet(program, net, { mode: 'train' });
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
