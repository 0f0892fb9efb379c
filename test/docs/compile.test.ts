// docs/compile.md: its net is trained and compiled as shown, and its TypeScript, and the README's, passes the type check against what comes of that.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { afterAll, expect, it } from 'vitest';
import { zz } from '../cli/zz.ts';
import { ROOT } from './errors.ts';
import { blocksOf } from './markdown.ts';
import { readPage } from './pages.ts';

const cache = join(ROOT, 'node_modules/.cache');
mkdirSync(cache, { recursive: true });
// Below node_modules, where what the examples import is found.
const folder = mkdtempSync(join(cache, 'docs-compile-'));
afterAll(() => { rmSync(folder, { recursive: true }); });

const blocks = blocksOf(readPage('docs/compile.md'));

it('commands write what they say', async () => {
  for (const { language, text } of blocks) {
    const [, file] = /^\/\/ (\w+\.zz)\n/.exec(text) ?? [];
    if (language === 'zz' && file !== undefined) writeFileSync(join(folder, file), text);
    if (language !== 'console' || text.includes('.html')) continue; // the page's runtime is there after a build only: test/compile/page.test.ts
    for (const part of text.split(/^\$ npx zz /m).slice(1)) {
      const [command = '', ...shown] = part.trimEnd().split('\n');
      const { status, stdout, stderr } = await zz(command.split(' '), { cwd: folder });
      expect(status, stderr).toBe(0);
      if (shown.join() !== '…') expect(`${stdout}${stderr}`.trimEnd()).toBe(shown.join('\n'));
    }
  }
  await zz(['compile', '--weights', 'runs/textures', '-o', 'model.js'], { cwd: folder });
}, 60_000);

it('examples type-check', () => {
  const examples = [...blocks, ...blocksOf(readPage('README.md'))].filter(({ language }) => language === 'ts' || language === 'js');
  expect(examples.length).toBe(4);
  const files = examples.map(({ language, text }, i) => {
    const file = join(folder, `example${i}.${language === 'js' ? 'mts' : 'ts'}`);
    writeFileSync(file, text);
    return file;
  });
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module' }));
  const at = (entry: string): string[] => [join(ROOT, `runtime/compiled/${entry}.ts`)];
  const program = ts.createProgram(files, {
    strict: true, noEmit: true, target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext, allowImportingTsExtensions: true, skipLibCheck: true,
    lib: ['lib.es2023.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts'], types: ['@webgpu/types', 'node'], typeRoots: [join(ROOT, 'node_modules/@types'), join(ROOT, 'node_modules')],
    paths: { 'zigzag-nn/runtime': at('index'), 'zigzag-nn/runtime/wasm': at('wasm'), 'zigzag-nn/runtime/webgpu': at('webgpu') },
  });
  expect(ts.getPreEmitDiagnostics(program).map(({ file, messageText }) => `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`)).toEqual([]);
});
