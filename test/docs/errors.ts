// The error index: every code of the table with an example that gives it, and the diagnostic as `zz check` shows it.

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkNets } from '../../compiler/check.ts';
import { diskReader } from '../../cli/source.ts';
import { bindBatch } from '../../compiler/2-graph/bind.ts';
import { buildNet, loadProgram } from '../../compiler/2-graph/build.ts';
import type { Program } from '../../compiler/2-graph/build.ts';
import { emitReference } from '../../compiler/5-emit/reference.ts';
import { compileModel } from '../../compiler/compile.ts';
import { CODES, diagnosticToJson, renderDiagnostic } from '../../compiler/diagnostics.ts';
import type { Code, CodeInfo, Diagnostic } from '../../compiler/diagnostics.ts';
import { numericsDiagnostic } from '../../cli/numerics.ts';
import { referenceBackend } from '../../runtime/backends/reference.ts';
import { persistent } from '../../runtime/checkpoint.ts';
import { feedsOf } from '../../runtime/feeds.ts';
import { initialValues } from '../../runtime/init.ts';
import { NumericsError } from '../../runtime/numerics.ts';
import { fenced } from './markdown.ts';

export const ROOT = join(import.meta.dirname, '../..');
const FOLDER = 'dsl-examples/errors';

export interface Example {
  readonly code: Code;
  /** What the input is, where the source does not say it all. */
  readonly input?: string;
  /** The source as it is shown; nothing for one that cannot be. */
  readonly source?: string;
  readonly diagnostics: readonly Diagnostic[];
  readonly rendered: string;
}

const io = (cwd: string) => ({ stdin: (async function* () { yield ''; })(), stdout: { write: () => true }, stderr: { write: () => true }, env: {}, cwd, onInterrupt: () => () => undefined });

const render = (program: Program, diagnostics: readonly Diagnostic[]): string => {
  const texts = new Map(program.files.map(({ source }) => [source.file, source.text]));
  return diagnostics.map((each) => renderDiagnostic(each, (file) => texts.get(file))).join('\n');
};

/** Characters that a page cannot hold, as the signs that stand for them; very long runs of one are cut. */
const visible = (source: string): string => source.replaceAll('\0', '␀').replace(/(.)\1{99,}/g, (_, c: string) => `${c.repeat(20)}…${c.repeat(20)}`);

/** The file of dsl-examples/errors for a code. */
async function fileExample(code: Code, file: string): Promise<Example> {
  const path = `${FOLDER}/${file}`;
  const program = loadProgram(path, await diskReader(io(ROOT)));
  const diagnostics = checkNets(program);
  const source = readFileSync(join(ROOT, path), 'utf8');
  return { code, input: `\`${path}\``, source: visible(source), diagnostics, rendered: render(program, diagnostics) };
}

interface Made {
  readonly code: Code;
  readonly input: string;
  readonly shown?: string;
  readonly write?: (folder: string) => void;
  /** Otherwise what `zz check` finds. */
  readonly diagnose?: (program: Program) => readonly Diagnostic[] | Promise<readonly Diagnostic[]>;
}

const TWO_NETS = 'net First { input x: [4] output x }\nnet Second { input x: [4] output x }\n';

const LOGARITHM = `net Logarithm {
  input image: [8, 8, 3]
  h = image -> conv(4, k: 3) -> relu
  logits = log(h) -> globalavgpool -> dense(10)
  output logits
  loss softmax_cross_entropy(logits)
  train { dataset synthetic  optimizer adam(lr: 0.01)  batch 4 }
}
`;

/** What a checked step finds, on images of ones. */
async function firstStep(program: Program): Promise<Diagnostic[]> {
  const compiled = compileModel(program, undefined, { train: { mode: 'train', batch: 4 } }, { emit: (graph, batch) => emitReference(bindBatch(graph, batch), batch) }, {});
  if ('diagnostics' in compiled) return [...compiled.diagnostics];
  const { model, graphs } = compiled;
  const session = await referenceBackend.open(model, { checkNumerics: true });
  for (const [id, values] of initialValues(persistent(model), model.train.seed)) await session.write(id, values);
  const { train } = model.programs;
  if (!train) throw new Error('no training program');
  const images = { inputs: new Map([['image', new Float32Array(4 * 8 * 8 * 3).fill(1)]]), labels: new Int32Array(4) };
  try {
    await session.run('train', feedsOf(train, images, { step: 0, stepsPerEpoch: 1, totalSteps: 1 }, 0), []);
    return [];
  } catch (error) {
    if (!(error instanceof NumericsError) || !graphs['train']) throw error;
    return [numericsDiagnostic(error.finding, graphs['train'], 'in step 1')];
  }
}

/** Mistakes that are not in the text of one file. */
const MADE: readonly Made[] = [
  { code: 'ZZ1006', input: 'A file in ISO 8859-1, with the byte 0xE9 for é.', write: (folder) => writeFileSync(join(folder, 'net.zz'), Buffer.from('// r\xe9seau\nnet A { }\n', 'latin1')) },
  { code: 'ZZ1007', input: 'A file of 5 MiB.', write: (folder) => writeFileSync(join(folder, 'net.zz'), '#'.repeat(5 * 2 ** 20)) },
  { code: 'ZZ1008', input: 'The name of a file that does not exist: `zz check net.zz`.' },
  { code: 'ZZ1008', input: 'A folder of that name.', write: (folder) => mkdirSync(join(folder, 'net.zz')) },
  {
    code: 'ZZ2013',
    input: '`zz ir net.zz`, which takes one net, with this file:',
    shown: TWO_NETS,
    write: (folder) => writeFileSync(join(folder, 'net.zz'), TWO_NETS),
    diagnose: (program) => buildNet(program, undefined, { mode: 'train' }).diagnostics,
  },
  {
    code: 'ZZ6001',
    input: '`zz train net.zz --check-numerics --backend wasm`, with this file:',
    shown: LOGARITHM,
    write: (folder) => writeFileSync(join(folder, 'net.zz'), LOGARITHM),
    diagnose: firstStep,
  },
];

async function madeExample({ code, input, shown, write, diagnose }: Made): Promise<Example> {
  const folder = mkdtempSync(join(tmpdir(), 'zz-errors-'));
  try {
    write?.(folder);
    const program = loadProgram('net.zz', await diskReader(io(folder)));
    const diagnostics = diagnose ? await diagnose(program) : checkNets(program);
    return { code, input, ...(shown !== undefined && { source: shown }), diagnostics, rendered: render(program, diagnostics) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Examples of every code, in the order of the table. */
export async function errorExamples(): Promise<Example[]> {
  const files = readdirSync(join(ROOT, FOLDER)).filter((file) => file.endsWith('.zz')).sort();
  const examples = (Object.keys(CODES) as Code[]).flatMap((code) => [
    ...files.filter((file) => file.startsWith(code.toLowerCase())).map((file) => fileExample(code, file)),
    ...MADE.filter((made) => made.code === code).map(madeExample),
  ]);
  return Promise.all(examples);
}

/** What an editor gets for a misspelt name. */
export async function diagnosticJson(): Promise<string> {
  const example = (await errorExamples()).find(({ code }) => code === 'ZZ2003');
  return fenced('json', JSON.stringify(example?.diagnostics.map(diagnosticToJson), null, 2));
}

const PARTS = { ZZ1: 'Lexical and syntax', ZZ2: 'Names and types', ZZ3: 'Shapes', ZZ4: 'Topology and routes', ZZ5: 'Training settings', ZZ6: 'While it runs' };

export async function errorIndex(): Promise<string> {
  const examples = await errorExamples();
  const codes = Object.entries(CODES) as [Code, CodeInfo][];
  const show = ({ input, source, rendered }: Example): string => [input, source === undefined ? undefined : fenced('zz-error', source), fenced('text', rendered)].filter((part) => part !== undefined).join('\n\n');
  return Object.entries(PARTS)
    .map(([prefix, title]) => {
      const own = codes.filter(([code]) => code.startsWith(prefix)).map(([code, { severity, title: what, help }]) => {
        const shown = examples.filter((example) => example.code === code).map(show);
        return [`### ${code}: ${what}`, severity === 'error' ? help : `A ${severity}. ${help}`, ...shown].join('\n\n');
      });
      return [`## ${title}`, ...own].join('\n\n');
    })
    .join('\n\n');
}
