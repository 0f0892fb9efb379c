// Runs a benchmark: node scripts/bench.js NAME [ARGUMENT...] compiles the sources to a cache folder, then runs bench/NAME.ts from there.
import { spawnSync } from 'node:child_process';
import { cpSync } from 'node:fs';
import { createRequire } from 'node:module';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const [name, ...args] = process.argv.slice(2);
if (!name) {
  console.error('node scripts/bench.js NAME [ARGUMENT...], for example: node scripts/bench.js wasm-gemm --json bench/results/wasm-gemm.json');
  process.exit(1);
}
const root = fileURLToPath(new URL('..', import.meta.url));
const out = join(root, 'node_modules/.cache/zigzag-bench');
/** Compiles the sources; what they read stands beside them: schemas, pages, and the version. */
function compile() {
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
  const { status } = spawnSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.json'), '--noEmit', 'false', '--noCheck', '--outDir', out, '--rootDir', root], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
  const isData = (path) => ['', '.json', '.html', '.css', '.txt'].includes(extname(path));
  for (const folder of ['compiler', 'runtime', 'cli']) cpSync(join(root, folder), join(out, folder), { recursive: true, filter: isData });
  cpSync(join(root, 'package.json'), join(out, 'package.json'));
}

compile();
const ran = spawnSync(process.execPath, [join(out, 'bench', `${name}.js`), ...args], { stdio: 'inherit', cwd: root });
process.exit(ran.status ?? 1);
