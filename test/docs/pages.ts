// The generated regions of the pages in docs/: what writes each of them.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Tags } from '../../compiler/2-graph/graph.ts';
import { checkTables, editorTables, gradientTables, headlineTable, processorTables, productTables, quickstartTables, stepTables, trainTables } from './benchmarks.ts';
import { DUMPS } from './dumps.ts';
import { diagnosticJson, errorIndex, ROOT } from './errors.ts';
import { onnxOperators, pytorchNet, pytorchRoutes } from './formats.ts';
import { commandHelp } from './help.ts';
import { code, regionNames, table, withRegions } from './markdown.ts';
import { supportMatrix, withoutGradient } from './matrix.ts';
import { costTable, dispatchTable, kernelLists } from './optimiser.ts';
import { functionTables, opTables, optimizerTable, passTable, settingTable, viewTable } from './tables.ts';

const TAGS: { readonly [N in keyof Tags]-?: string } = {
  stream: 'the stream it belongs to',
  step: 'the step of a streams block, from 0',
  stage: 'the stage of a twin block, from 0',
  net: 'the use of another net as a function that it belongs to, or of a cell that keeps statistics or drops out',
  name: 'its name in the source',
  phase: '`backward` or `update`; without it the value is of the forward pass',
  kernel: 'the kernel that computes it, once values are fused',
  note: 'why it was kept apart from a neighbour',
  at: 'the arena and byte offset where it lies, once memory is planned',
};

const REGIONS: Readonly<Record<string, () => string | Promise<string>>> = {
  ...DUMPS,
  commands: commandHelp,
  errors: errorIndex,
  'diagnostic-json': diagnosticJson,
  functions: functionTables,
  views: viewTable,
  settings: settingTable,
  optimizers: optimizerTable,
  ops: opTables,
  passes: passTable,
  tags: () => table(['tag', 'what it says'], Object.entries(TAGS).map(([name, what]) => [code(name), what])),
  support: supportMatrix,
  'no-gradient': withoutGradient,
  'onnx-operators': onnxOperators,
  'pytorch-net': pytorchNet,
  'pytorch-routes': pytorchRoutes,
  'optimiser-costs': costTable,
  'optimiser-dispatches': dispatchTable,
  'optimiser-kernels': kernelLists,
  'results-steps': stepTables,
  'results-gradients': gradientTables,
  'results-train': trainTables,
  'results-check': checkTables,
  'results-quickstart': quickstartTables,
  'results-editor': editorTables,
  'results-products': productTables,
  'results-processor': processorTables,
  'results-headline': headlineTable,
};

export const DOCS = join(ROOT, 'docs');

/** The pages of docs/, and the README. */
export const PAGES: readonly string[] = ['README.md', ...readdirSync(DOCS).filter((file) => file.endsWith('.md')).sort().map((file) => `docs/${file}`)];

export const readPage = (page: string): string => readFileSync(join(ROOT, page), 'utf8');

/** With UPDATE=1 writes a page that should be otherwise. */
export function update(page: string, wanted: string): void {
  if (process.env['UPDATE'] === '1' && wanted !== readPage(page)) writeFileSync(join(ROOT, page), wanted);
}

/** A page as it should be. Throws where it names a region that nothing writes. */
export async function generated(page: string): Promise<string> {
  const text = readPage(page);
  const texts = new Map<string, string>();
  for (const name of regionNames(text)) {
    const write = REGIONS[name];
    if (!write) throw new Error(`${page}: nothing writes the region ${name}`);
    texts.set(name, await write());
  }
  return withRegions(text, texts);
}

export const REGION_NAMES: readonly string[] = Object.keys(REGIONS);
