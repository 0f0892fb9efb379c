// The targets ts and js: a module, and a file of weights beside it where they are trained.

import { basename, dirname, join } from 'node:path';
import { emitJavaScript, emitTypeScript, type ModuleOptions } from '../../compiler/5-emit/typescript/module.ts';
import { compileArtefact, type Compiled } from './artefact.ts';
import type { Compiler, CompileRequest, OutputFile } from './target.ts';
import { weightsFile } from './weights.ts';

/** What both targets write from. */
async function moduleOf(request: CompileRequest): Promise<{ readonly artefact: Compiled['artefact']; readonly options: ModuleOptions; readonly beside: readonly OutputFile[] }> {
  const { artefact, listings } = await compileArtefact(request, 'all');
  const { out, weights, net } = request;
  const name = `${basename(out).replace(/\.\w+$/, '')}.weights.safetensors`;
  return {
    artefact,
    options: { source: basename(net.file), listings, ...(weights && { weights: name }) },
    beside: weights ? [{ path: join(dirname(out), name), contents: weightsFile(net, weights) }] : [],
  };
}

export const compileTypeScript: Compiler = async (request) => {
  const { artefact, options, beside } = await moduleOf(request);
  return [...beside, { path: request.out, contents: emitTypeScript(artefact, options) }];
};

export const compileJavaScript: Compiler = async (request) => {
  const { artefact, options, beside } = await moduleOf(request);
  const { script, declarations } = emitJavaScript(artefact, options);
  return [...beside, { path: declarationsOf(request.out), contents: declarations }, { path: request.out, contents: script }];
};

/** Where TypeScript looks for the declarations of a script. */
const declarationsOf = (script: string): string => (/\.m?js$/i.test(script) ? script.replace(/(\.m?)js$/i, '.d$1ts') : `${script}.d.ts`);
