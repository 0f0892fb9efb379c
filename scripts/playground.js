// Builds the playground, a static site, into a folder: dist/playground where none is given.
import { readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { refuseOthers } from './replaceable.js';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

export async function buildPlayground(folder) {
  const { build } = await import('vite');
  await build({ configFile: here('../playground/vite.config.ts'), logLevel: 'error', build: { outDir: folder, emptyOutDir: true } });
  // What the service worker keeps for when there is no network.
  const files = [...readdirSync(join(folder, 'assets')).map((name) => `assets/${name}`), 'icon.svg'];
  writeFileSync(join(folder, 'files.json'), JSON.stringify(files));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = resolve(process.argv[2] ?? here('../dist/playground'));
  refuseOthers(folder, 'assets');
  await buildPlayground(folder);
}
