// The package as JavaScript that plain Node runs, for tests that need a process of their own or import it by its name. Types are left to the type check.

import { spawn, type ChildProcess } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface Built {
  /** The package's folder: what dist/ is in a checkout. */
  readonly folder: string;
  readonly main: string;
  readonly remove: () => void;
}

/** Transpiles the sources below node_modules, where their imports resolve. */
export function build(): Built {
  const cache = join(ROOT, 'node_modules/.cache');
  mkdirSync(cache, { recursive: true });
  const out = mkdtempSync(join(cache, 'zz-'));
  const { name, version, exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8').replaceAll('./dist/', './')) as Record<string, unknown>;
  writeFileSync(join(out, 'package.json'), JSON.stringify({ type: 'module', name, version, exports }));
  const compilerOptions: ts.CompilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true, rewriteRelativeImportExtensions: true };
  for (const folder of ['compiler', 'runtime', 'editor/service', 'editor/server', 'cli']) {
    for (const entry of readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const file = join(entry.parentPath, entry.name);
      const target = join(out, relative(ROOT, file));
      mkdirSync(dirname(target), { recursive: true });
      if (!file.endsWith('.ts')) cpSync(file, target);
      else writeFileSync(target.replace(/\.ts$/, '.js'), ts.transpileModule(readFileSync(file, 'utf8'), { compilerOptions, fileName: file }).outputText);
    }
  }
  return { folder: out, main: join(out, 'cli/main.js'), remove: () => rmSync(out, { recursive: true, force: true }) };
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts `zz`. `onOutput` sees all that standard output has so far. */
export function start(main: string, argv: readonly string[], cwd: string, onOutput: (stdout: string, child: ChildProcess) => void = () => undefined, env: Record<string, string> = {}): Promise<Ended> {
  const child = spawn(process.execPath, [main, ...argv], { cwd, env: { ...process.env, NO_COLOR: '1', ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
    onOutput(stdout, child);
  });
  child.stderr.on('data', (chunk: Buffer) => { stderr += chunk.toString(); });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}
