// Bundles the runtime of the pages that zz compile --target html writes, as one script that defines `zigzag`.
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Writes page-runtime.js into a folder. */
export async function bundlePage(folder) {
  const { build } = await import('vite');
  await build({
    root,
    configFile: false,
    logLevel: 'warn',
    publicDir: false,
    build: {
      outDir: folder,
      emptyOutDir: false,
      reportCompressedSize: false,
      lib: { entry: 'runtime/page/main.ts', formats: ['iife'], name: 'zigzag', fileName: () => 'page-runtime.js' },
    },
  });
}
