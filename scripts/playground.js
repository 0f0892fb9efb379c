// Builds the playground, a static site, into a folder: dist/playground where none is given.
import { fileURLToPath } from 'node:url';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

export async function buildPlayground(folder) {
  const { build } = await import('vite');
  await build({ configFile: here('../playground/vite.config.ts'), logLevel: 'error', build: { outDir: folder, emptyOutDir: true } });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildPlayground(process.argv[2] ?? here('../dist/playground'));
