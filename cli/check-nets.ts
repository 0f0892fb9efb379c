// All that a program's files and nets have wrong: what building finds, and then what the passes find.

import { checkProgram, type Program } from '../compiler/2-graph/build.ts';
import { PassError } from '../compiler/3-passes/pass.ts';
import { compileNet } from '../compiler/compile.ts';
import { hasErrors, type Diagnostic } from '../compiler/diagnostics.ts';

/** Diagnostics of the file, its imports and every net in it. */
export function checkNets(program: Program): Diagnostic[] {
  const found = checkProgram(program);
  if (hasErrors(found)) return found;
  return [...found, ...(program.main?.ast.nets ?? []).flatMap(({ name }) => passErrors(program, name.name))];
}

function passErrors(program: Program, net: string): readonly Diagnostic[] {
  try {
    compileNet(program, net, { mode: 'train' });
    return [];
  } catch (error) {
    if (error instanceof PassError) return error.diagnostics;
    throw error;
  }
}
