// Builds the documentation as a static site: node scripts/docs.js [FOLDER], otherwise into site/.
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runnerImport } from 'vite';
import { refuseOthers } from './replaceable.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const out = resolve(process.argv[2] ?? `${root}/site`);
refuseOthers(out, 'search-index.js');
const { module } = await runnerImport(fileURLToPath(new URL('site/build.ts', import.meta.url)), { root, configFile: false, logLevel: 'warn' });
const pages = await module.buildSite(root, out);
console.error(`wrote ${pages.length} pages to ${out}; open ${out}/index.html`);
