// ZZ_DUMP and ZZ_DEBUG: the stages of a compilation as numbered files, and on standard error.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../runtime/files.ts';
import { at, debugLevel, say, type Io } from './io.ts';
import type { Stage } from './stages.ts';

/** Whether anyone wants to see the stages. */
export const isTracing = (io: Io): boolean => debugLevel(io) > 0 || Boolean(io.env['ZZ_DUMP']);

/** ZZ_DUMP=dir writes 00-tokens.txt, 01-ast.txt, ...; ZZ_DEBUG=1 names the stages, 2 shows the graphs, 3 the kernels as well. */
export async function traceStages(io: Io, stages: readonly Stage[]): Promise<void> {
  const dump = io.env['ZZ_DUMP'];
  if (dump) {
    await makeFolder(at(io, dump));
    for (const [i, stage] of stages.entries()) await writeFile(join(at(io, dump), `${String(i).padStart(2, '0')}-${stage.name}.txt`), stage.text());
  }
  const level = debugLevel(io);
  if (level === 0) return;
  for (const stage of stages) {
    say(io, `stage ${stage.name}${stage.graph ? `: ${stage.graph.nodes.length} nodes` : ''}`);
    if ((level >= 2 && stage.graph) || (level >= 3 && stage.name === 'kernels')) say(io, stage.text());
  }
}
