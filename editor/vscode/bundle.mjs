// Bundles the extension, and the `zz` that comes with it, into out/.

import { cpSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
rmSync(here('out'), { recursive: true, force: true });

const common = { bundle: true, platform: 'node', target: 'node20', minify: true, legalComments: 'linked', logLevel: 'warning' };

await build({ ...common, entryPoints: [here('src/extension.ts')], outfile: here('out/extension.cjs'), format: 'cjs', external: ['vscode'] });

// What training and devices need is left out: they are for an installed ZigZag.
await build({
  ...common,
  entryPoints: [here('../../cli/main.ts')],
  outdir: here('out/server'),
  format: 'esm',
  splitting: true,
  chunkNames: '[name]-[hash]',
  external: ['webgpu', 'sharp', 'gpu.js', 'binaryen', 'ts-morph', 'uplot'],
  banner: { js: "import { createRequire as zzRequire } from 'node:module'; const require = zzRequire(import.meta.url);" },
});
cpSync(here('../../cli/graph-page.html'), here('out/server/graph-page.html'));
