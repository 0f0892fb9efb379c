// Builds dist/ from the TypeScript sources: into a folder beside it first, then swapped in, so that a failed build leaves the old one.
import { spawn } from 'node:child_process';
import { chmodSync, cpSync, existsSync, readdirSync, readFileSync, rmSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundlePage } from './page.js';
import { buildPlayground } from './playground.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const [dist, next, old] = ['dist', `.dist-next-${process.pid}`, `.dist-old-${process.pid}`].map((name) => join(root, name));
const remove = (path) => rmSync(path, { recursive: true, force: true });

// The first npx in a checkout links the package into npm's cache, and prepares it once more for that; what npm ci has built will do.
if (process.env.npm_command === 'exec' && existsSync(dist)) process.exit();

const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
const compiled = new Promise((resolve) => {
  spawn(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json'), '--outDir', next, '--noEmitOnError'], { cwd: root, stdio: 'inherit' }).on('close', resolve);
});
/** What runs in browsers is bundled meanwhile. Where that fails, all other commands are there nevertheless. */
const orWithout = (command, bundle) => bundle.catch((error) => {
  console.warn(`${command} will not work: what it gives to browsers could not be bundled (${error.message})`);
});
const [status] = await Promise.all([
  compiled,
  orWithout('zz playground', buildPlayground(join(next, 'playground'))),
  orWithout('zz compile --target html', bundlePage(join(next, 'cli/compile'))),
]);
if (status !== 0) {
  remove(next);
  process.exit(status || 1);
}

// Schemas and other data files that the sources read stand beside them.
const folders = ['compiler', 'runtime', 'cli'];
const isData = (path) => extname(path) === '' || ['.json', '.html', '.css', '.txt'].includes(extname(path));
for (const folder of folders) cpSync(join(root, folder), join(next, folder), { recursive: true, filter: isData });
// The package entry of chevrotain loads some 600 small modules, which is most of the time `zz check` takes; its own bundle is the same code in one file.
const syntax = join(next, 'compiler/1-syntax');
const entry = createRequire(import.meta.url).resolve('chevrotain');
cpSync(join(dirname(entry), '../chevrotain.min.mjs'), join(syntax, 'chevrotain.mjs'));
for (const name of readdirSync(syntax).filter((each) => each.endsWith('.js'))) {
  const file = join(syntax, name);
  writeFileSync(file, readFileSync(file, 'utf8').replace(/from 'chevrotain'/g, "from './chevrotain.mjs'"));
}
chmodSync(join(next, 'cli/main.js'), 0o755);

if (existsSync(dist)) renameSync(dist, old);
renameSync(next, dist);
remove(old);
