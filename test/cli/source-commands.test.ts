// zz check, fmt and ir: their output, exact, their exit statuses, and what bad input gets.

import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { graphFromJson } from '../../compiler/2-graph/json.ts';
import { parseGraph } from '../../compiler/2-graph/parse.ts';
import { printGraph } from '../../compiler/2-graph/print.ts';
import { PASSES } from '../../compiler/3-passes/pipeline.ts';
import { zz } from './zz.ts';

const NET = `net Tiny {
  input image: [8, 8, 3]
  logits = image -> conv(4, k: 3) -> relu -> globalavgpool -> dense(10)
  output logits
  loss softmax_cross_entropy(logits)
}
`;
const BAD = `net Bad {
  input image: [8, 8, 3]
  a = imge -> conv(4, k: 3)
  b = image -> conv(4, k: 9, pad: valid)
  output b
  loss mean(b)
}
`;

let root: string;
let cwd: string;
let count = 0;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'zz-source-'));
});
afterAll(() => rm(root, { recursive: true }));
beforeEach(async () => {
  cwd = join(root, String(count++));
  await mkdir(cwd);
  await writeFile(join(cwd, 'tiny.zz'), NET);
  await writeFile(join(cwd, 'bad.zz'), BAD);
});

describe('check', () => {
  test('a clean file', async () => {
    expect(await zz(['check', 'tiny.zz'], { cwd })).toEqual({ status: 0, stdout: '', stderr: '1 file is clean\n' });
  });

  test('every independent error of every file, with its line and caret', async () => {
    const ran = await zz(['check', 'bad.zz', 'tiny.zz', 'none.zz'], { cwd });
    expect(ran.status).toBe(1);
    expect(ran.stdout).toMatch(/^bad\.zz:3:7: error ZZ2001: .*\n {2}3 \| {3}a = imge -> conv\(4, k: 3\)\n {4}\| {7}\^\^\^\^\n/);
    expect(ran.stdout).toMatch(/did you mean 'image'\?/);
    expect(ran.stdout).toMatch(/\nbad\.zz:4:16: error ZZ3004/);
    expect(ran.stdout).toMatch(/\nnone\.zz:1:1: error ZZ1008: there is no file none\.zz\n3 errors\n$/);
  });

  test('what is wrong in a file that several import is told once', async () => {
    await writeFile(join(cwd, 'part.zz'), 'net Part {\n  input x: [8, 8, 3]\n  output y = x -> relo\n}\n');
    const files = ['a.zz', 'b.zz'];
    for (const file of files) await writeFile(join(cwd, file), 'import "part.zz"\n');
    const { stdout } = await zz(['check', ...files, 'part.zz'], { cwd });
    expect(stdout.match(/'relo'/g)).toHaveLength(1);
  });

  test('a net of cells alone is there to be imported: sound, and nothing to be made of', async () => {
    await writeFile(join(cwd, 'cells.zz'), 'net Cells {\n  cell Rec(x, h) { relu(conv(x, 4) + conv(h, 4)) }\n}\n');
    await writeFile(join(cwd, 'uses.zz'), 'import "cells.zz"\nnet Uses {\n  input x: [8, 8, 3]\n  streams A of Rec { step x: straight }\n  output y = A -> globalavgpool -> dense(10)\n  loss softmax_cross_entropy(y)\n}\n');
    expect(await zz(['check', 'cells.zz', 'uses.zz'], { cwd })).toEqual({ status: 0, stdout: '', stderr: '2 files are clean\n' });
    expect((await zz(['ir', 'cells.zz'], { cwd })).stderr).toMatch(/'Cells' has no input[^]*'Cells' has no output/);
    expect((await zz(['ir', 'uses.zz:Cells'], { cwd })).stderr).toContain("no net is called 'Cells'; the file has Uses");
  });

  test('JSON for editors', async () => {
    const ran = await zz(['check', 'bad.zz', '--format', 'json'], { cwd });
    expect(ran.status).toBe(1);
    const found = JSON.parse(ran.stdout) as Record<string, unknown>[];
    expect(found.map(({ code, file, line, column }) => [code, file, line, column])).toEqual([['ZZ2001', 'bad.zz', 3, 7], ['ZZ3004', 'bad.zz', 4, 16]]);
    expect(await zz(['check', 'tiny.zz', '--format', 'json'], { cwd })).toEqual({ status: 0, stdout: '[]\n', stderr: '' });
  });

  test('warnings and notes do not fail', async () => {
    await writeFile(join(cwd, 'warn.zz'), NET.replace('output', 'unused = image -> relu\n  output'));
    const ran = await zz(['check', 'warn.zz'], { cwd });
    expect(ran.status).toBe(0);
    expect(ran.stdout).toMatch(/warning ZZ2104[^]*\n1 warning\n$/);
  });

  test('what only the passes find is found', async () => {
    await writeFile(join(cwd, 'route.zz'), NET.replace('  output', '  side = image -> conv(10, k: 3) -> globalavgpool\n  output side\n  backward { grad(logits) = grad(side) }\n  output'));
    const ran = await zz(['check', 'route.zz'], { cwd });
    expect(ran.status).toBe(1);
    expect(ran.stdout).toMatch(/^route\.zz:6:\d+: error ZZ4010: .*\n {2}6 \| {3}backward/m);
  });

  test.each<[string, Uint8Array | 'folder', RegExp]>([
    ['NUL bytes', Buffer.from('net A {\0}'), /:1:8: error ZZ1006/],
    ['Latin-1', Buffer.from('net Caf\xe9 { }', 'latin1'), /:1:8: error ZZ1006/],
    ['UTF-16', Buffer.from('\ufeffnet A { }', 'utf16le'), /:1:1: error ZZ1006: .*UTF-16/],
    ['five megabytes', Buffer.alloc(5 * 2 ** 20, 0x20), /:1:1: error ZZ1007/],
    ['a hundred megabytes', Buffer.alloc(100 * 2 ** 20), /:1:1: error ZZ1007/],
    ['a folder', 'folder', /:1:1: error ZZ1008: .* is a folder/],
    ['nothing', Buffer.alloc(0), /:1:1: error ZZ2012/],
  ])('%s', async (_, contents, message) => {
    const file = join(cwd, 'odd.zz');
    if (contents === 'folder') await mkdir(file);
    else await writeFile(file, contents);
    const ran = await zz(['check', 'odd.zz'], { cwd });
    expect(ran.status).toBe(1);
    expect(ran.stdout).toMatch(message);
    expect(ran.stdout.length).toBeLessThan(1000);
    await rm(file, { recursive: true });
  });

  test('standard input is -, its imports seen from the working directory', async () => {
    const tiny = await readFile(join(cwd, 'tiny.zz'), 'utf8');
    expect(await zz(['check', '-'], { cwd, stdin: tiny })).toMatchObject({ status: 0, stderr: '1 file is clean\n' });
    const wrong = await zz(['check', 'tiny.zz', '-'], { cwd, stdin: 'import "tiny.zz"\nnet A {\n  input image: [8, 8, 3]\n  output y = imge -> Tiny\n}\n' });
    expect(wrong.status).toBe(1);
    expect(wrong.stdout).toMatch(/^<stdin>:4:14: error ZZ2001: .*\n {2}4 \| .*imge/m);
    const [piped, named] = await Promise.all([zz(['ir', '-'], { cwd, stdin: tiny }), zz(['ir', 'tiny.zz'], { cwd })]);
    expect(piped).toEqual({ ...named, stdout: named.stdout.replaceAll('@tiny.zz', '@"<stdin>"') });
    expect(await zz(['check', ''], { cwd })).toMatchObject({ status: 1, stdout: expect.stringContaining('the name of the file is empty') as string });
  });

  test('colours only where they are wanted', async () => {
    expect((await zz(['check', 'bad.zz'], { cwd, env: { FORCE_COLOR: '1', NO_COLOR: '' } })).stdout).toContain('\u001b[31m');
    expect((await zz(['check', 'bad.zz'], { cwd, env: { FORCE_COLOR: '1' } })).stdout).not.toContain('\u001b');
    expect((await zz(['check', 'bad.zz'], { cwd, env: { NO_COLOR: '' } })).stdout).not.toContain('\u001b');
  });
});

describe('fmt', () => {
  const messy = '// kept\nnet   Tiny{input image:[8,8,3]\nlogits=image->conv(4,k:3)->relu->globalavgpool->dense(10)\noutput logits loss softmax_cross_entropy(logits)}';

  test('rewrites what is not canonical, once, and keeps the mode', async () => {
    const file = join(cwd, 'messy.zz');
    await writeFile(file, messy);
    await chmod(file, 0o640);
    expect(await zz(['fmt', 'messy.zz'], { cwd })).toEqual({ status: 0, stdout: '', stderr: '' });
    const text = await readFile(file, 'utf8');
    expect(text).toMatch(/^\/\/ kept\nnet Tiny \{\n/);
    const { mtimeMs, mode, ino } = await stat(file);
    expect(mode & 0o777).toBe(0o640);
    expect((await zz(['fmt', 'messy.zz'], { cwd })).status).toBe(0);
    expect(await stat(file)).toMatchObject({ mtimeMs, ino });
    const [before, after] = await Promise.all([zz(['ir', 'tiny.zz', '--stage', 'optimizer'], { cwd }), zz(['ir', 'messy.zz', '--stage', 'optimizer'], { cwd })]);
    const places = / @\S+/g;
    expect(after.stdout.replace(places, '')).toBe(before.stdout.replace(places, ''));
    expect((await readdir(cwd)).toSorted()).toEqual(['bad.zz', 'messy.zz', 'tiny.zz']);
  });

  test('--check changes nothing and names the files', async () => {
    await writeFile(join(cwd, 'messy.zz'), messy);
    expect(await zz(['fmt', '--check', 'messy.zz', 'tiny.zz'], { cwd })).toEqual({ status: 1, stdout: '', stderr: 'messy.zz is not in the canonical form\n' });
    expect(await readFile(join(cwd, 'messy.zz'), 'utf8')).toBe(messy);
    await zz(['fmt', 'messy.zz'], { cwd });
    expect(await zz(['fmt', '--check', 'messy.zz', 'tiny.zz'], { cwd })).toEqual({ status: 0, stdout: '', stderr: '' });
  });

  test('standard input to standard output', async () => {
    const ran = await zz(['fmt', '-'], { cwd, stdin: messy });
    expect(ran).toMatchObject({ status: 0, stderr: '' });
    expect((await zz(['fmt', '-'], { cwd, stdin: ran.stdout })).stdout).toBe(ran.stdout);
    expect(await zz(['fmt', '--check', '-'], { cwd, stdin: messy })).toEqual({ status: 1, stdout: '', stderr: '<stdin> is not in the canonical form\n' });
    expect((await zz(['fmt', '-'], { cwd, stdin: 'net {' })).stderr).toMatch(/^<stdin>:1:5: error ZZ1003/);
  });

  test('a file with errors is left alone; the others are formatted', async () => {
    await writeFile(join(cwd, 'broken.zz'), 'net {');
    await writeFile(join(cwd, 'messy.zz'), messy);
    const ran = await zz(['fmt', 'broken.zz', 'messy.zz'], { cwd });
    expect(ran).toMatchObject({ status: 1, stdout: '' });
    expect(ran.stderr).toMatch(/^broken\.zz:1:5: error ZZ1003/);
    expect(await readFile(join(cwd, 'broken.zz'), 'utf8')).toBe('net {');
    expect(await readFile(join(cwd, 'messy.zz'), 'utf8')).not.toBe(messy);
  });
});

describe('ir', () => {
  const ir = async (...argv: string[]) => zz(['ir', 'tiny.zz', ...argv], { cwd });

  test.each(['graph', ...PASSES.map(({ name }) => name)])('%s reads back from text and JSON', async (stage) => {
    const [text, json, dot] = await Promise.all(['text', 'json', 'dot'].map((format) => ir('--stage', stage, '--format', format)));
    const graph = parseGraph(text?.stdout ?? '');
    const lines = (text?.stdout ?? '').replace(/\n(\/\/.*\n)*$/, '').trimEnd(); // comments follow the memory plan
    expect(printGraph(graph).trimEnd()).toBe(lines);
    expect(printGraph(graphFromJson(JSON.parse(json?.stdout ?? ''))).trimEnd()).toBe(lines);
    expect(dot?.stdout).toMatch(/^digraph/);
  });

  test('tokens and the syntax tree, with places', async () => {
    const { stdout } = await ir('--stage', 'tokens');
    expect(stdout.split('\n').slice(0, 3)).toEqual([expect.stringMatching(/^1:1\t\w+\tnet$/), expect.stringMatching(/^1:5\t\w+\tTiny$/), expect.stringMatching(/^1:10\t\w+\t\{$/)]);
    const tokens = JSON.parse((await ir('--stage', 'tokens', '--format', 'json')).stdout) as { text: string; start: number; end: number }[];
    for (const { text, start, end } of tokens) expect(NET.slice(start, end)).toBe(text);
    expect((await ir('--stage', 'ast')).stdout).toMatch(/^file[^]*name="conv"/);
    expect(JSON.parse((await ir('--stage', 'ast', '--format', 'json')).stdout)).toMatchObject({ nets: [{ name: { name: 'Tiny' } }] });
  });

  test('kernels and the model take the batch', async () => {
    expect((await ir('--stage', 'kernels', '--batch', '3')).stdout).toContain('f32[3,8,8,4]');
    expect((await ir('--stage', 'model', '--batch', '3')).stdout).toMatch(/^program of 3 images\nbuffer %image: f32\[3,8,8,3\] input image\n/);
    expect(JSON.parse((await ir('--stage', 'model', '--batch', '3', '--format', 'json')).stdout)).toMatchObject({ batch: 3 });
    const shaders = (await ir('--stage', 'wgsl', '--batch', '3')).stdout;
    expect(shaders).toMatch(/^\/\/ step 0: data_selection, 1 x 1 x 1 workgroups, binds %data.clock, %data.labels, /);
    expect(shaders).toMatch(/\n\/\/ step \d+: conv2d_\w+, \d+ x 1 x 1 workgroups, 32x32 tiles, \d+ deep, 4x4 a thread, binds %image, %w.1, [^]*\n@group\(0\) @binding\(0\) var<storage, read> b0: array<f32>;\n/);
  });

  test('the width and the mode', async () => {
    expect((await ir('--width', '0.5')).stdout).toContain('[3,3,3,2]');
    const evaluated = (await ir('--mode', 'evaluate', '--stage', 'optimizer')).stdout;
    expect(evaluated).not.toContain('_grad(');
    expect((await ir('--stage', 'optimizer')).stdout).toContain('_grad(');
  });

  test('a diff of two stages applies to the first and gives the second', async () => {
    const [diff, graph, optimizer] = await Promise.all([ir('--diff', 'unroll..optimizer'), ir('--stage', 'unroll'), ir('--stage', 'optimizer')]);
    const body = diff.stdout.split('\n').filter((line) => !/^(---|\+\+\+|@@)/.test(line));
    const has = (text: string) => new Set(text.split('\n'));
    for (const line of body.filter((each) => each.startsWith('+'))) expect(has(optimizer.stdout)).toContain(line.slice(1));
    for (const line of body.filter((each) => each.startsWith('-'))) expect(has(graph.stdout)).toContain(line.slice(1));
    expect(diff.stdout.startsWith('--- unroll\n+++ optimizer\n@@ ')).toBe(true);
    expect(await ir('--diff', 'graph..graph')).toEqual({ status: 0, stdout: '', stderr: '' });
  });

  test('what a step costs after each pass, as tables and as JSON', async () => {
    const { stdout } = await ir('--stage', 'memory', '--stats', '--batch', '4');
    const [title, ...tables] = stdout.trimEnd().split('\n\n');
    expect(title).toBe('One step of 4 images.');
    expect(tables.map((table) => /^(whole step|\w+)/.exec(table)?.[1])).toEqual(['whole step', 'forward', 'backward', 'update']);
    const names = PASSES.map(({ name }) => name);
    for (const table of tables) expect(table.split('\n').slice(1).map((line) => line.split(' ')[0])).toEqual(names);
    type Part = Readonly<Record<'nodes' | 'kernels' | 'contractions' | 'bytes' | 'peak', number>>;
    const { batch, passes } = JSON.parse((await ir('--stage', 'memory', '--stats', '--batch', '4', '--format', 'json')).stdout) as { batch: number; passes: { pass: string; parts: Record<string, Part> }[] };
    expect([batch, passes.map(({ pass }) => pass)]).toEqual([4, names]);
    const at = (pass: string): Record<string, Part> => passes.find((each) => each.pass === pass)?.parts ?? {};
    expect(at('unroll')['backward']?.nodes).toBe(0);
    expect(at('memory')['step']?.kernels).toBeLessThan(at('simplify')['step']?.kernels ?? 0);
    for (const { parts: { step, ...phases } } of passes) {
      for (const key of ['nodes', 'kernels', 'contractions', 'bytes'] as const) expect(Object.values(phases).reduce((sum, part) => sum + part[key], 0)).toBe(step?.[key]);
    }
    expect((await ir('--stage', 'autodiff', '--stats')).stdout).not.toMatch(/^(update|simplify)/m);
  });

  test('the memory plan: sizes, a map and a picture', async () => {
    const { stdout } = await ir('--stage', 'memory');
    expect(stdout).toMatch(/at="weight\+0"[^]*\/\/ weight +\d+ bytes[^]*\/\/ peak +\d+ bytes[^]*\/\/ temporary arena, .* across, kernels down[^]*\n\/\/ +0 [.=#]{64} conv2d/);
    expect((await ir('--stage', 'memory', '--format', 'svg')).stdout).toMatch(/^<svg xmlns[^]*<title>%[^]*<\/svg>\n$/);
  });

  test('--out writes the file instead', async () => {
    const shown = (await ir()).stdout;
    expect(await ir('--out', 'graph.txt')).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(await readFile(join(cwd, 'graph.txt'), 'utf8')).toBe(shown);
  });

  test.each<[string[], RegExp]>([
    [['--stage', 'fuze'], /no stage "fuze"[^]*Stages: tokens, ast, graph, unroll/],
    [['--diff', 'graph'], /names no two stages/],
    [['--diff', 'graph..'], /names no two stages/],
    [['--diff', 'graph..x'], /no stage "x"/],
    [['--stage', 'kernels', '--format', 'dot'], /kernels is no graph/],
    [['--format', 'xml'], /Allowed choices are text, json, dot, svg, html/],
    [['--format', 'svg'], /graph has no picture[^]*svg is for memory/],
    [['--stage', 'tokens', '--format', 'html'], /tokens is no graph/],
    [['--stage', 'ast', '--stats'], /ast has no costs[^]*unroll, autodiff/],
    [['--stage', 'fuse', '--stats', '--format', 'dot'], /--stats has no form dot/],
    [['--batch', '0'], /whole number from 1/],
    [['--out', 'no/such/folder.txt'], /no such file or folder/],
  ])('%j is refused', async (argv, message) => {
    const ran = await ir(...argv);
    expect(ran).toMatchObject({ status: 1, stdout: '' });
    expect(ran.stderr).toMatch(message);
    expect(ran.stderr).not.toMatch(/\n {4}at /);
  });

  test('several nets need a choice', async () => {
    await writeFile(join(cwd, 'two.zz'), NET + NET.replace('Tiny', 'Other'));
    const ran = await zz(['ir', 'two.zz'], { cwd });
    expect(ran.status).toBe(1);
    expect(ran.stderr).toMatch(/ZZ2013.*Tiny, Other/);
    expect((await zz(['ir', 'two.zz:Other'], { cwd })).stdout).toContain('Other');
  });

  test('ZZ_DUMP writes a numbered file a stage; ZZ_DEBUG shows more with each level', async () => {
    const quiet = await ir();
    const dumped = await zz(['ir', 'tiny.zz'], { cwd, env: { ZZ_DUMP: 'dump' } });
    expect(dumped).toEqual(quiet);
    const files = (await readdir(join(cwd, 'dump'))).toSorted();
    expect(files.slice(0, 5)).toEqual(['00-tokens.txt', '01-ast.txt', '02-graph.txt', '03-unroll.txt', '04-autodiff.txt']);
    expect(files).toHaveLength(PASSES.length + 6);
    expect(await readFile(join(cwd, 'dump/02-graph.txt'), 'utf8')).toBe(quiet.stdout);
    const levels = await Promise.all([1, 2, 3].map(async (level) => (await zz(['ir', 'tiny.zz'], { cwd, env: { ZZ_DEBUG: String(level) } })).stderr));
    expect(levels[0]).toMatch(/^stage tokens\nstage ast\nstage graph: \d+ nodes\nstage unroll: \d+ nodes\n/);
    expect(levels[1]).toContain(quiet.stdout);
    expect(levels[1]).not.toContain('contraction conv2d');
    expect(levels[2]).toContain('contraction conv2d');
  });
});

describe('the program', () => {
  test.each(['check', 'fmt', 'ir', 'train', 'eval', 'predict', 'data', 'doctor'])('%s --help has an example', async (command) => {
    const ran = await zz([command, '--help']);
    expect(ran).toMatchObject({ status: 0, stderr: '' });
    expect(ran.stdout).toMatch(new RegExp(`^Usage: zz ${command} [^]*\nExamples?:\n  .*zz ${command}`));
  });

  test('help, version and nothing', async () => {
    expect((await zz(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect((await zz(['--help'])).stdout).toMatch(/^Usage: zz/);
    expect((await zz([])).status).toBe(0);
  });

  test.each<[string[], RegExp]>([
    [['chekc', 'a.zz'], /unknown command 'chekc'\n\(Did you mean check\?\)/],
    [['check'], /missing required argument 'file'/],
    [['check', '--formt', 'json', 'a.zz'], /Did you mean --format\?/],
  ])('%j is refused with a proposal', async (argv, message) => {
    const ran = await zz(argv);
    expect(ran).toMatchObject({ status: 1, stdout: '' });
    expect(ran.stderr).toMatch(message);
  });

  test('doctor names what it looked at', async () => {
    const ran = await zz(['doctor', '--json'], { env: { ZZ_CACHE: join(cwd, 'cache') } });
    const found = ran.stdout.trim().split('\n').map((line) => JSON.parse(line) as { what: string; state: string });
    // What there is to say of the GPU and its driver depends on the machine.
    expect(found.map(({ what }) => what).filter((what) => what === 'gpu (Dawn)' || !/^(gpu|vulkan)/.test(what))).toEqual(['node', 'processor', 'gpu (Dawn)', 'backend webgpu', 'backend wasm', 'backend gpujs', 'backend reference', 'images (sharp)', 'cache']);
    expect(found.find(({ what }) => what === 'backend reference')?.state).toBe('ok');
    expect(ran.status).toBe(0);
  });

  test('data says what is in a set', async () => {
    const ran = await zz(['data', 'synthetic', '--json']);
    const set = JSON.parse(ran.stdout) as { shape: number[]; classes: string[]; train: { images: number; perClass: number[] } };
    expect([set.shape, set.classes.length]).toEqual([[32, 32, 3], 10]);
    expect(set.train.perClass.reduce((a, b) => a + b, 0)).toBe(set.train.images);
    expect((await zz(['data', 'nowhere'], { cwd })).status).toBe(1);
    expect((await zz(['data', 'synthetic'])).stdout).toMatch(/^synthetic: images of 32 x 32 x 3, 10 classes\n\nclass/);
  });
});
