// The target html: one page with the runtime, the model and its weights in it, which asks for nothing from outside.

import { readFile } from 'node:fs/promises';
import { emitConstants } from '../../compiler/5-emit/typescript/module.ts';
import { BackendError } from '../../runtime/backend.ts';
import { isSystemError } from '../../runtime/files.ts';
import { UsageError } from '../io.ts';
import { compileArtefact } from './artefact.ts';
import { inLines } from './deflate.ts';
import type { Compiler } from './target.ts';
import { weightsFile } from './weights.ts';

/** What scripts/page.js bundles of runtime/page/. */
const RUNTIME = new URL('page-runtime.js', import.meta.url);

export const compilePage: Compiler = async (request) => {
  const { net, weights, out } = request;
  if (!weights) throw new UsageError('a page without trained weights would only guess', 'Train the net, and name its run: zz compile --weights runs/NET-1 -o page.html.');
  const { normalize } = net.settings;
  const { channels: known, companions } = weights.statistics;
  if ((normalize === 'channel' && !known) || (normalize === 'per_batch' && !companions)) {
    throw new UsageError(`net ${net.name} normalises pictures with statistics of those it was trained on (${normalize}), and the weights bring none`, 'Name the run that they are of: --weights runs/NET-1.');
  }
  const { artefact, listings } = await compileArtefact(request, 'page');
  const [, , channels = 0] = artefact.image;
  if (artefact.classes.length === 0) throw new UsageError(`net ${net.name} has no class scores`, 'A page classifies: it needs a net with softmax_cross_entropy. The target ts takes any net.');
  if (channels !== 1 && channels !== 3) throw new UsageError(`the net's input has ${channels} channels; pictures have 1 or 3`, 'The target ts takes any number.');
  const [template, runtime] = await Promise.all([readFile(new URL('page.html', import.meta.url), 'utf8'), readRuntime()]);
  const model = `${emitConstants(artefact, listings)}\n// The trained weights: a safetensors file in base64.\nconst WEIGHTS = \`${inLines(weightsFile(net, weights))}\`;\n\nzigzag.startPage(ARTEFACT, WEIGHTS);`;
  return [{ path: out, contents: filled(template, net.name, runtime, model) }];
};

const filled = (template: string, title: string, runtime: string, model: string): string =>
  template
    .replace('<!-- title -->', () => title)
    .replace('<h1></h1>', () => `<h1>${title}</h1>`)
    .replace('/* runtime */', () => runtime.replaceAll(/<(?=\/script|!--)/g, '\\x3c'))
    .replace('/* model */', () => model.replaceAll(/<(?=\/script|!--)/g, '\\u003c'));

async function readRuntime(): Promise<string> {
  return readFile(RUNTIME, 'utf8').catch((error: unknown) => {
    if (isSystemError(error, 'ENOENT')) throw new BackendError('the runtime of pages is not there', 'npm run build makes it, with Node 20.19 or later.', { cause: error });
    throw error;
  });
}
