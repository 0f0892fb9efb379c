// From an artefact's text to the programs that a backend opens.

import { ARTEFACT_FORMAT, type Artefact, type ProgramName, type ProgramSet, type StoredCode, type StoredProgram, type StoredPrograms } from '../../compiler/5-emit/artefact.ts';
import type { Model, Program } from '../../compiler/5-emit/model.ts';
import { RunError } from '../errors.ts';
import { digestOfPrograms } from './digest.ts';

/** Throws RunError where the artefact is of a later version of zz. */
export function checkFormat({ format, net, zigzag }: { readonly format: number; readonly net: string; readonly zigzag: string }): void {
  if (format > ARTEFACT_FORMAT) throw new RunError(`${net} was compiled by zz ${zigzag} in format ${format}; this runtime knows ${ARTEFACT_FORMAT}`, 'Update the package zigzag-nn, or compile the net again with its version of zz.');
}

/** Throws RunError where the programs are not those that were compiled. */
export function checkDigest(net: string, { digest, programs }: StoredPrograms<unknown>): void {
  if (digestOfPrograms(programs) !== digest) throw new RunError(`the compiled programs of ${net} are damaged: they are not those of their digest`, 'Compile the net again.');
}

/** Some of a backend's programs. `relaxed` chooses the modules for engines with relaxed SIMD. */
export async function modelOf<Step>({ net, settings }: Artefact, stored: ProgramSet<Step>, names: readonly ProgramName[], relaxed: boolean): Promise<Model<Step>> {
  const programs = await Promise.all(names.map(async (name) => {
    const program: StoredProgram<Step> | undefined = stored[name];
    if (!program) throw new RangeError(`net ${net} was compiled without the program "${name}"`);
    return [name, await programOf(program, relaxed)] as const;
  }));
  return { net, train: settings, programs: Object.fromEntries(programs) };
}

async function programOf<Step>({ code, ...program }: StoredProgram<Step>, relaxed: boolean): Promise<Program<Step>> {
  return code ? { ...program, code: await inflate(relaxed ? code.relaxed : code.plain) } : program;
}

/** The bytes of base64 text in zlib's format. Throws RunError where it is damaged. */
async function inflate(text: StoredCode[keyof StoredCode]): Promise<Uint8Array> {
  try {
    const packed = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('deflate'));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  } catch (cause) {
    throw new RunError('the kernels of the compiled model are damaged', 'Compile the net again.', { cause });
  }
}
