// zz compile: what it writes and where, what it takes weights from, and what bad input gets.

import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { readCheckpoint, writeCheckpoint } from '../../runtime/checkpoint-file.ts';
import { encodeSafetensors } from '../../runtime/safetensors.ts';
import { zz, type Ran } from '../cli/zz.ts';

const NET = `net Tiny {
  input image: [8, 8, 3]
  logits = image -> conv(4, k: 3) -> relu -> globalavgpool -> dense(10)
  output logits
  loss softmax_cross_entropy(logits)
  train { dataset synthetic  batch 4  epochs 1  normalize per_batch }
}
`;
const FILES: Readonly<Record<string, string>> = {
  'tiny.zz': NET,
  'two.zz': `${NET}\n${NET.replace('Tiny', 'Other').replace('conv(4', 'conv(6')}`,
  'bad.zz': 'net Bad {\n  input image: [8, 8, 3]\n  output imge\n}\n',
  'silent.zz': 'net Silent {\n  input image: [8, 8, 3]\n  y = image -> globalavgpool -> dense(10)\n  loss softmax_cross_entropy(y)\n}\n',
  'mean.zz': 'net Mean {\n  input image: [8, 8, 3]\n  output y = mean(image)\n}\n',
  'flat.zz': 'net Flat {\n  input image: [64]\n  output y = image -> dense(3)\n}\n',
  'pair.zz': 'net Pair {\n  input a: [8, 8, 3]\n  input b: [4, 4, 3]\n  output y = globalavgpool(a) + globalavgpool(b)\n}\n',
  'four.zz': 'net Four {\n  input image: [4, 4, 4]\n  output y = image -> flatten -> dense(2)\n  loss softmax_cross_entropy(y)\n}\n',
};

let root: string;
let run: string;
let cwd: string;
let count = 0;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'zz-compile-'));
  await writeFile(join(root, 'tiny.zz'), NET);
  run = join(root, 'run');
  const trained = await zz(['train', 'tiny.zz', '--limit', '8', '--width', '0.5', '--backend', 'reference', '--out', run, '--quiet'], { cwd: root });
  expect(trained.status, trained.stderr).toBe(0);
}, 120_000);
afterAll(() => rm(root, { recursive: true }));
beforeEach(async () => {
  cwd = join(root, String(count++));
  await mkdir(cwd);
  for (const [name, text] of Object.entries(FILES)) await writeFile(join(cwd, name), text);
});

const compile = (...argv: string[]): Promise<Ran> => zz(['compile', ...argv], { cwd });
const made = async (): Promise<string[]> => (await readdir(cwd)).filter((name) => !(name in FILES)).sort();
const text = (name: string): Promise<string> => readFile(join(cwd, name), 'utf8');

describe('files', () => {
  test('a module, by the ending of its name', async () => {
    expect(await compile('tiny.zz', '-o', 'model.ts', '--backend', 'wasm')).toEqual({ status: 0, stdout: '', stderr: 'wrote model.ts\n' });
    expect(await made()).toEqual(['model.ts']);
    expect(await text('model.ts')).toContain("export const NET = 'Tiny';");
    expect(await text('model.ts')).not.toMatch(/zigzag-nn\/runtime\/webgpu|gpujs/);
  });

  test.each([['model.js', 'model.d.ts'], ['model.mjs', 'model.d.mts']])('%s and %s', async (script, declarations) => {
    expect((await compile('tiny.zz', '-o', script)).stderr).toBe(`wrote ${declarations}\nwrote ${script}\n`);
    expect(await text(script)).not.toMatch(/: (Artefact|StoredProgram)/);
    expect(await text(declarations)).toContain('export declare function createModel(options?: Options): Promise<Model>;');
  });

  test('a target by name, whatever the file is called, for chosen backends', async () => {
    expect((await compile('tiny.zz', '--target', 'ts', '--backend', 'gpujs,wasm', '--backend', 'wasm', '-o', 'model')).status).toBe(0);
    expect(await text('model')).toContain('openModel<Types>(ARTEFACT, { wasm, gpujs }, options)');
    expect((await compile('tiny.zz', '--target', 'js', '--backend', 'wasm', '-o', 'model')).stderr).toBe('wrote model.d.ts\nwrote model\n');
    expect(await text('model.d.ts')).toContain('export declare function createModel');
    expect(await text('model')).toContain('export function createModel');
  });

  test('the same net gives the same text, and nothing of this machine', async () => {
    await compile('tiny.zz', '-o', 'a.ts');
    await writeFile(join(cwd, 'elsewhere.zz'), NET.replace('dataset synthetic', `dataset "${join(root, 'images')}"`));
    await compile(join(cwd, 'tiny.zz'), '-o', 'b.ts');
    expect(await text('b.ts')).toBe(await text('a.ts'));
    await compile('elsewhere.zz', '-o', 'c.ts');
    expect(await text('c.ts')).not.toContain(root);
  });

  test('a net by its name, another batch, another width', async () => {
    await compile('two.zz:Other', '-o', 'other.ts', '--batch', '7', '--width', '0.5', '--backend', 'wasm');
    expect(await text('other.ts')).toMatch(/NET = 'Other'.*BATCH = 7;.*shape: \[3, 3, 3, 3\]/s);
    expect((await compile('two.zz', '-o', 'other.ts')).stderr).toMatch(/Tiny.*Other/s);
  });

  test('classes are named after the data set, or numbered', async () => {
    await compile('tiny.zz', '-o', 'model.ts', '--backend', 'wasm');
    expect(await text('model.ts')).toContain("CLASSES = [\n  'fine rows',");
    await writeFile(join(cwd, 'ten.zz'), NET.replace('dataset synthetic', 'dataset cifar10'));
    await compile('ten.zz', '-o', 'ten.ts', '--backend', 'wasm');
    expect(await text('ten.ts')).toContain("CLASSES = ['airplane', 'automobile', ");
    await writeFile(join(cwd, 'three.zz'), NET.replace('dense(10)', 'dense(3)'));
    await compile('three.zz', '-o', 'three.ts', '--backend', 'wasm');
    expect(await text('three.ts')).toContain("CLASSES = ['0', '1', '2'] as const");
  });

  test('one that is there is replaced when all else is done, and not before', async () => {
    await writeFile(join(cwd, 'model.ts'), 'precious');
    expect((await compile('bad.zz', '-o', 'model.ts')).status).toBe(1);
    expect((await compile('tiny.zz', '-o', 'model.ts', '--weights', 'tiny.zz')).status).toBe(1);
    expect(await text('model.ts')).toBe('precious');
    expect((await compile('tiny.zz', '-o', 'model.ts')).status).toBe(0);
    expect(await text('model.ts')).not.toBe('precious');
    expect(await made()).toEqual(['model.ts']);
  });

  test('nothing is written where one of several files cannot be', async () => {
    await mkdir(join(cwd, 'model.weights.safetensors'));
    expect(await compile('--weights', run, '-o', 'model.ts', '--backend', 'wasm')).toMatchObject({ status: 1, stderr: expect.stringContaining('model.weights.safetensors is a folder') as string });
    await mkdir(join(cwd, 'model.d.ts'));
    expect(await compile('tiny.zz', '-o', 'model.js', '--backend', 'wasm')).toMatchObject({ status: 1, stderr: expect.stringContaining('model.d.ts is a folder') as string });
    expect(await made()).toEqual(['model.d.ts', 'model.weights.safetensors']);
  });
});

describe('weights', () => {
  test('of a run bring its net, width and classes, and lie beside the module without the optimiser\'s state', async () => {
    expect((await compile('--weights', run, '-o', 'model.ts', '--backend', 'wasm')).stderr).toBe('wrote model.weights.safetensors\nwrote model.ts\n');
    const module = await text('model.ts');
    expect(module).toContain("export const WEIGHTS: URL = new URL('./model.weights.safetensors', import.meta.url);");
    expect(module).toContain("shape: [3, 3, 3, 2]");
    const [own, trained] = [await readCheckpoint(join(cwd, 'model.weights.safetensors')), await readCheckpoint(join(run, 'checkpoint.safetensors'))];
    expect([...own.tensors.keys()].sort()).toEqual([...trained.tensors.keys()].filter((name) => name.startsWith('w.') || name.startsWith('b.')).sort());
    for (const [name, tensor] of own.tensors) expect(tensor).toEqual(trained.tensors.get(name));
    expect(own.statistics).toEqual(trained.statistics);
    expect(own.statistics.companions?.count).toBe(3);
  });

  test('of a run beside its own file, and not beside another', async () => {
    expect((await compile('tiny.zz', '--weights', run, '-o', 'model.ts')).status).toBe(0);
    await writeFile(join(cwd, 'tiny.zz'), NET.replace('relu', 'elu'));
    expect(await compile('tiny.zz', '--weights', run, '-o', 'other.ts')).toMatchObject({ status: 1, stderr: expect.stringMatching(/has changed since the run .* began\n.*--weights .*checkpoint.safetensors/) as string });
    expect((await compile('tiny.zz', '--weights', join(run, 'checkpoint.safetensors'), '--width', '0.5', '-o', 'other.ts')).status).toBe(0);
  });

  test('of any file with the tensors of the net', async () => {
    const { tensors } = await readCheckpoint(join(run, 'checkpoint.safetensors'));
    await writeFile(join(cwd, 'own.safetensors'), encodeSafetensors({ tensors, metadata: {} }));
    expect((await compile('tiny.zz', '--weights', 'own.safetensors', '--width', '0.5', '-o', 'model.ts')).status).toBe(0);
  });

  test.each<[string, readonly string[], RegExp]>([
    ['another width', ['tiny.zz', '--weights', 'RUN/checkpoint.safetensors'], /"w\.1" is \[3,3,3,2\] in the file and \[3,3,3,4\] in the net/],
    ['another net', ['two.zz:Other', '--width', '0.5', '--weights', 'RUN/checkpoint.safetensors'], /has weights of the net "Tiny", not of Other/],
    ['a width beside a run', ['--weights', 'RUN', '--width', '1'], /the run was trained with --width 0\.5/],
    ['no run', ['--weights', 'nothing'], /nothing is not a run directory: there is no config\.json/],
    ['no file', ['tiny.zz', '--weights', 'nothing.safetensors'], /nothing\.safetensors: no such file/],
    ['a file without a net', ['--weights', 'RUN/checkpoint.safetensors'], /which file\?/],
    ['no weights file', ['tiny.zz', '--weights', 'tiny.zz'], /tiny\.zz is not a sound safetensors file/],
  ])('%s: refused', async (_, argv, message) => {
    const ran = await compile(...argv.map((word) => word.replace('RUN', run)), '-o', 'model.ts');
    expect(ran).toMatchObject({ status: 1, stdout: '', stderr: expect.stringMatching(message) as string });
    expect(await made()).toEqual([]);
  });

  test('a damaged checkpoint is refused', async () => {
    const path = join(cwd, 'broken.safetensors');
    await writeCheckpoint(path, await readCheckpoint(join(run, 'checkpoint.safetensors')));
    const bytes = await readFile(path);
    bytes[bytes.length - 3] = (bytes.at(-3) ?? 0) ^ 1;
    await writeFile(path, bytes);
    expect(await compile('tiny.zz', '--weights', path, '--width', '0.5', '-o', 'model.ts')).toMatchObject({ status: 1, stderr: expect.stringContaining('its contents are not those of its digest') as string });
  });
});

describe('weights that are where the result would be', () => {
  test('are not overwritten', async () => {
    const checkpoint = join(run, 'checkpoint.safetensors');
    const before = await readFile(checkpoint);
    for (const from of [run, checkpoint]) {
      expect(await compile('tiny.zz', '--weights', from, ...(from === run ? [] : ['--width', '0.5']), '-o', checkpoint)).toMatchObject({ status: 1, stderr: expect.stringContaining('is where the weights come from') as string });
    }
    expect(await readFile(checkpoint)).toEqual(before);
  });

  test('stay as they are beside a module that is compiled again with them', async () => {
    await writeFile(join(cwd, 'model.weights.safetensors'), await readFile(join(run, 'checkpoint.safetensors')));
    const before = await text('model.weights.safetensors');
    expect(await compile('tiny.zz', '--weights', 'model.weights.safetensors', '--width', '0.5', '-o', 'model.ts')).toMatchObject({ status: 0, stderr: 'wrote model.ts\n' });
    expect(await text('model.weights.safetensors')).toBe(before);
  });
});

describe('what cannot be', () => {
  test.each<[string, readonly string[], RegExp]>([
    ['no output file', ['tiny.zz'], /required option '-o, --out <file>' not specified/],
    ['no net', ['-o', 'model.ts'], /which file\?\n {2}zz compile FILE\.zz -o OUT/],
    ['an unknown target', ['tiny.zz', '--target', 'tsx', '-o', 'model.ts'], /there is no target "tsx"\n {2}Did you mean ts\? Targets: ts, js, html/],
    ['an ending without a target', ['tiny.zz', '-o', 'model.exe'], /"model\.exe" does not say what to make of the net\n {2}Give --target, or a name that ends in \.ts, /],
    ['an unknown backend', ['tiny.zz', '--backend', 'wsam', '-o', 'model.ts'], /does not run on a backend "wsam"\n {2}Did you mean wasm\? Backends: webgpu, wasm, gpujs/],
    ['an empty list of backends', ['tiny.zz', '--backend', ' ,', '-o', 'model.ts'], /Expected names of backends\./],
    ['the evaluator', ['tiny.zz', '--backend', 'reference', '-o', 'model.ts'], /does not run on the backend reference\n {2}That is the compiler's own evaluator/],
    ['a folder that is not there', ['tiny.zz', '-o', 'none/model.ts'], /there is no folder .*none/],
    ['a folder for a file', ['tiny.zz', '--target', 'ts', '-o', '.'], / is a folder\n {2}Choose another name/],
    ['a file for a folder', ['tiny.zz', '-o', 'tiny.zz/model.ts'], /tiny\.zz is no folder/],
    ['the source', ['tiny.zz', '--target', 'ts', '-o', 'tiny.zz'], /tiny\.zz is the net's own source/],
    ['a source with errors', ['bad.zz', '-o', 'model.ts'], /bad\.zz:3:10: error ZZ2001/],
    ['a net without outputs', ['silent.zz', '-o', 'model.ts'], /silent\.zz:1:5: error ZZ2015: 'Silent' has no output/],
    ['outputs of no image', ['mean.zz', '-o', 'model.ts'], /no output of net Mean has a value for each image/],
    ['an input that is no image', ['flat.zz', '-o', 'model.ts'], /net Flat reads \[64\]; a compiled model reads images/],
    ['images of two sizes', ['pair.zz', '-o', 'model.ts'], /net Pair reads images of \[8, 8, 3\] and of \[4, 4, 3\]/],
    ['a batch out of range', ['tiny.zz', '--batch', '100000', '-o', 'model.ts'], /ZZ5002/],
    ['a page without weights', ['tiny.zz', '-o', 'page.html'], /a page without trained weights would only guess\n {2}Train the net, and name its run/],
  ])('%s', async (_, argv, message) => {
    const ran = await compile(...argv);
    expect(ran).toMatchObject({ status: 1, stdout: '', stderr: expect.stringMatching(message) as string });
    expect(await made()).toEqual([]);
    expect(await text('tiny.zz')).toBe(NET);
  });

  test('a page of pictures that have no colours to show', async () => {
    const weights = encodeSafetensors({ tensors: new Map([['w.1', { shape: [64, 2], data: new Float32Array(128) }], ['b.1', { shape: [2], data: new Float32Array(2) }]]), metadata: {} });
    await writeFile(join(cwd, 'four.safetensors'), weights);
    expect((await compile('four.zz', '--weights', 'four.safetensors', '-o', 'page.html')).stderr).toMatch(/statistics of those it was trained on \(channel\), and the weights bring none/);
    await writeFile(join(cwd, 'plain.zz'), (FILES['four.zz'] ?? '').replace('}', '  train { normalize none }\n}'));
    const ran = await compile('plain.zz', '--weights', 'four.safetensors', '-o', 'page.html');
    expect(ran.stderr).toMatch(/4 channels; pictures have 1 or 3/);
    expect(ran.status).toBe(1);
  });
});
