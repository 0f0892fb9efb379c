// How the playground is bundled: a static site whose addresses are relative, so that it works on any host and below any path.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';
import type { Plugin } from 'vite';

const BINARYEN = 'assets/binaryen.js';

/** Binaryen, 15 MB in one file, is copied as it is: bundled it would be read, written and stored anew for every worker that may load it. */
const binaryen = (): Plugin => ({
  name: 'binaryen',
  enforce: 'pre',
  apply: 'build',
  resolveId: (id) => (id === 'binaryen' ? { id: './binaryen.js', external: true } : undefined),
});

const binaryenFile = (): Plugin => ({
  name: 'binaryen-file',
  apply: 'build',
  generateBundle() {
    this.emitFile({ type: 'asset', fileName: BINARYEN, source: readFileSync(createRequire(import.meta.url).resolve('binaryen')) });
  },
});

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  base: './',
  build: { target: 'es2022', reportCompressedSize: false },
  // Whatever NODE_ENV says: tests build what users get.
  resolve: { conditions: ['module', 'browser', 'production'] },
  define: { 'process.env.NODE_ENV': '"production"' },
  plugins: [binaryenFile()],
  worker: { format: 'es', plugins: () => [binaryen()] },
});
