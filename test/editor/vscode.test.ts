// The extension for Visual Studio Code: its manifest, which zz it runs, and that it packages into something whose server answers.
// Packaging needs `npm ci --prefix editor/vscode`; without it those tests are skipped.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { findTool, type Surroundings } from '../../editor/vscode/src/tool.ts';
import { TOKEN_MODIFIERS, TOKEN_TYPES } from '../../editor/server/protocol.ts';
import { NAMES } from '../../editor/textmate/scopes.ts';
import { sessionOf } from '../lsp/session.ts';
import { ROOT } from './helpers.ts';

const FOLDER = join(ROOT, 'editor/vscode');
const read = (name: string): string => readFileSync(join(FOLDER, name), 'utf8');

interface Manifest {
  readonly version: string;
  readonly license: string;
  readonly main: string;
  readonly icon: string;
  readonly engines: { readonly vscode: string };
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly contributes: {
    readonly languages: readonly { readonly id: string; readonly extensions: readonly string[]; readonly configuration: string; readonly icon: Readonly<Record<string, string>> }[];
    readonly grammars: readonly { readonly scopeName: string; readonly path: string }[];
    readonly commands: readonly { readonly command: string; readonly title: string }[];
    readonly menus: Readonly<Record<string, readonly { readonly command: string }[]>>;
    readonly configuration: { readonly properties: Readonly<Record<string, unknown>> };
    readonly semanticTokenModifiers: readonly { readonly id: string }[];
    readonly semanticTokenScopes: readonly { readonly scopes: Readonly<Record<string, readonly string[]>> }[];
  };
}
const manifest = JSON.parse(read('package.json')) as Manifest;
const sources = readdirSync(join(FOLDER, 'src')).map((name) => read(`src/${name}`)).join('\n');

describe('manifest', () => {
  const { contributes } = manifest;

  it('is of this version and licence', () => {
    const root = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Manifest;
    expect([manifest.version, manifest.license]).toEqual([root.version, root.license]);
    expect(read('CHANGELOG.md')).toContain(`\n## ${manifest.version}\n`);
    expect(read('LICENSE')).toBe(readFileSync(join(ROOT, 'LICENSE'), 'utf8'));
    expect(read('README.md')).not.toMatch(/\]\((?!https?:)/);
  });

  it('names files that are there', () => {
    const files = [manifest.icon, ...contributes.languages.flatMap(({ configuration, icon }) => [configuration, ...Object.values(icon)]), ...contributes.grammars.map(({ path }) => path)];
    expect(files.filter((file) => !existsSync(join(FOLDER, file)))).toEqual([]);
    const kept = read('.vscodeignore').split('\n').filter((line) => line.startsWith('!')).map((line) => line.slice(1).replace(/\/?\*\*$/, ''));
    expect(files.filter((file) => !kept.some((each) => file.replace(/^\.\//, '').startsWith(each)))).toEqual([]);
    // A picture that the marketplace takes: at least 128 by 128.
    const png = readFileSync(join(FOLDER, manifest.icon));
    expect([png.toString('latin1', 1, 4), png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual(['PNG', 128, 128]);
    expect(contributes.languages.flatMap(({ extensions }) => extensions)).toEqual(['.zz']);
    expect(contributes.grammars.map(({ path, scopeName }) => (JSON.parse(read(path)) as { scopeName: string }).scopeName === scopeName)).toEqual([true, true]);
  });

  it('has the commands and settings that the sources have, and no others', () => {
    const commands = contributes.commands.map(({ command }) => command).sort();
    expect([...sources.matchAll(/registerCommand\('([\w.]+)'/g)].map(([, name]) => name).sort()).toEqual(commands);
    expect(Object.values(contributes.menus).flat().filter(({ command }) => !commands.includes(command))).toEqual([]);
    // The client itself reads the other one.
    expect(Object.keys(contributes.configuration.properties)).toEqual(['zigzag.path', 'zigzag.trace.server']);
    expect([...sources.matchAll(/getConfiguration\('zigzag'\)\.get\('(\w+)'/g)].map(([, name]) => name)).toEqual(['path']);
    // It runs where the types that it is checked with are.
    expect(manifest.engines.vscode).toBe(`^${manifest.devDependencies['@types/vscode']?.slice(1) ?? ''}`);
  });

  it('maps the words of the server to scopes of the grammar', () => {
    expect(contributes.semanticTokenModifiers.map(({ id }) => id).filter((id) => !(TOKEN_MODIFIERS as readonly string[]).includes(id))).toEqual([]);
    for (const { scopes } of contributes.semanticTokenScopes) {
      for (const [selector, [scope = '']] of Object.entries(scopes)) {
        const [type = '', ...modifiers] = selector.split('.');
        expect([...TOKEN_TYPES]).toContain(type);
        expect([...TOKEN_MODIFIERS]).toEqual(expect.arrayContaining(modifiers));
        expect(Object.values(NAMES).map((name) => `${name}.zz`)).toContain(scope);
      }
    }
  });

  it('has a configuration of the language that can be read', () => {
    const { wordPattern, indentationRules, onEnterRules } = JSON.parse(read('language-configuration.json')) as {
      wordPattern: string;
      indentationRules: { increaseIndentPattern: string; decreaseIndentPattern: string };
      onEnterRules: { beforeText: string; afterText?: string }[];
    };
    expect('conv_transpose'.match(new RegExp(wordPattern))?.[0]).toBe('conv_transpose');
    const grows = new RegExp(indentationRules.increaseIndentPattern);
    expect(['net A {', 'y = concat(', '  step image: straight', 'cell C(x, h) { x + h }', '// net A {', 'logits = concat(L, R)'].map((line) => grows.test(line))).toEqual([true, true, false, false, false, false]);
    expect(new RegExp(indentationRules.decreaseIndentPattern).test('  }')).toBe(true);
    expect(onEnterRules.map(({ beforeText }) => ['  // a note', 'logits ='].map((line) => new RegExp(beforeText).test(line)))).toEqual([[true, false], [false, true]]);
  });
});

describe('which zz', () => {
  const around = (files: readonly string[], more: Partial<Surroundings> = {}): Surroundings => ({
    setting: '', folders: ['/work/mine'], path: ['/usr/bin', '/opt/bin'].join(delimiter), windows: false, node: '/code', bundled: '/extension/main.js', isFile: (path) => files.includes(path), ...more,
  });
  const script = (source: string, main: string) => ({ source, command: '/code', args: [main], env: { ELECTRON_RUN_AS_NODE: '1' }, shell: false });

  it.each([
    ['the one that comes with it', around([]), script('bundled', '/extension/main.js')],
    ['one on the path', around(['/opt/bin/zz']), { source: 'path', command: '/opt/bin/zz', args: [], env: {}, shell: false }],
    ['the package of the workspace first', around(['/opt/bin/zz', '/work/mine/node_modules/zigzag-nn/dist/cli/main.js']), script('workspace', '/work/mine/node_modules/zigzag-nn/dist/cli/main.js')],
    ['the workspace, where it is ZigZag', around(['/work/mine/dist/cli/main.js']), script('workspace', '/work/mine/dist/cli/main.js')],
    ['nothing of a folder that is not trusted', around(['/work/mine/node_modules/zigzag-nn/dist/cli/main.js'], { folders: [] }), script('bundled', '/extension/main.js')],
    ['a program by the setting', around(['/my/zz', '/opt/bin/zz'], { setting: '/my/zz' }), { source: 'setting', command: '/my/zz', args: [], env: {}, shell: false }],
    ['a package by the setting', around(['/my/zigzag/dist/cli/main.js'], { setting: '/my/zigzag' }), script('setting', '/my/zigzag/dist/cli/main.js')],
    ['a file by the setting, from the workspace', around(['/work/mine/tools/zz.js'], { setting: 'tools/zz.js' }), script('setting', '/work/mine/tools/zz.js')],
  ])('%s', (_, surroundings, wanted) => {
    expect(findTool(surroundings)).toEqual(wanted);
  });

  it('batch files of Windows go through a shell', () => {
    expect(findTool(around(['/opt/bin/zz.cmd'], { windows: true }))).toEqual({ source: 'path', command: '"/opt/bin/zz.cmd"', args: [], env: {}, shell: true });
  });

  it('a setting that names nothing is an error', () => {
    expect(() => findTool(around(['/opt/bin/zz'], { setting: '/nowhere' }))).toThrow('zigzag.path is /nowhere, where there is no zz.');
  });
});

const installed = existsSync(join(FOLDER, 'node_modules/@vscode/vsce'));
const out = mkdtempSync(join(tmpdir(), 'zz-vscode-'));
afterAll(() => { rmSync(out, { recursive: true }); });

/** The files of a zip archive. */
async function unzip(file: string): Promise<ReadonlyMap<string, Buffer>> {
  interface Zip { readonly readEntry: () => void; readonly on: (event: string, handler: (entry: Entry) => void) => void; readonly openReadStream: (entry: Entry, then: (error: Error | null, stream: NodeJS.ReadableStream) => void) => void }
  interface Entry { readonly fileName: string }
  const { open } = createRequire(join(FOLDER, 'package.json'))('yauzl') as { open: (path: string, options: object, then: (error: Error | null, zip: Zip) => void) => void };
  const files = new Map<string, Buffer>();
  return new Promise((resolve, reject) => {
    open(file, { lazyEntries: true }, (error, zip) => {
      if (error) return reject(error);
      zip.on('end', () => { resolve(files); });
      zip.on('entry', (entry) => {
        zip.openReadStream(entry, (failed, stream) => {
          if (failed) return reject(failed);
          const parts: Buffer[] = [];
          stream.on('data', (part: Buffer) => parts.push(part));
          stream.on('end', () => {
            files.set(entry.fileName, Buffer.concat(parts));
            zip.readEntry();
          });
        });
      });
      zip.readEntry();
    });
  });
}

describe.skipIf(!installed)('the package', () => {
  const run = (command: string, ...args: string[]) => spawnSync(process.execPath, [join(FOLDER, 'node_modules', command), ...args], { cwd: FOLDER, encoding: 'utf8' });

  it('type-checks', () => {
    const { stdout, status } = run('typescript/bin/tsc', '--noEmit', '-p', '.');
    expect(stdout).toBe('');
    expect(status).toBe(0);
  });

  it('is made, holds what it needs and no more, and its server answers', async () => {
    const file = join(out, 'zigzag.vsix');
    const { stderr, status } = run('@vscode/vsce/vsce', 'package', '--no-dependencies', '--allow-missing-repository', '--out', file);
    expect(status, stderr).toBe(0);
    const files = await unzip(file);
    const names = [...files.keys()].filter((name) => name.startsWith('extension/')).map((name) => name.slice('extension/'.length));
    const lower = names.map((name) => name.toLowerCase());
    for (const needed of ['package.json', 'readme.md', 'changelog.md', 'icon.png', 'language-configuration.json', 'syntaxes/zz.tmlanguage.json', 'out/extension.cjs', 'out/server/main.js', 'out/server/graph-page.html']) expect(lower).toContain(needed);
    expect(lower.some((name) => name.startsWith('license'))).toBe(true);
    expect(names.filter((name) => /node_modules|^src\/|\.ts$|package-lock/.test(name))).toEqual([]);
    expect(statSync(file).size).toBeLessThan(4 * 2 ** 20);

    // As it lies in the package, next to the manifest that says its files are modules.
    const main = join(FOLDER, 'out/server/main.js');
    const session = await sessionOf(main, out);
    const uri = session.open(join(out, 'a.zz'), 'net A {\n  input image: [8, 8, 3]\n  output y = imag -> relu\n}\n');
    expect((await session.diagnostics(uri)).diagnostics.map(({ code }) => code)).toEqual(['ZZ2105', 'ZZ2001']);
    expect(await session.end()).toBe(0);
    const html = spawnSync(process.execPath, [main, 'ir', join(ROOT, 'dsl-examples/mlp.zz'), '--stage', 'graph', '--format', 'html'], { encoding: 'utf8' });
    expect(html.stderr).toBe('');
    expect(html.stdout).toMatch(/^<!doctype html>/i);
    const stage = spawnSync(process.execPath, [main, 'ir', join(ROOT, 'dsl-examples/mlp.zz'), '--stage', 'memory'], { encoding: 'utf8' });
    expect(stage.stdout).toContain('%');
  }, 300_000);
});
