// The compiled modules of an application, bundled by Vite and run in headless Chromium.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build, preview } from 'vite';
import { chromium, SOFTWARE } from '../browser/page.ts';
import type { App } from './app.ts';

/** What a net is given, and what comes of it: base64 of bytes. */
export interface Given {
  readonly training: string;
  readonly steps: readonly { readonly images: string; readonly labels: string }[];
  readonly tests: string;
}

export interface Found {
  readonly device: string;
  readonly saved: string;
  readonly predicted: Readonly<Record<string, string>>;
}

const PROGRAM = `
const bytes = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
const text = (data) => btoa(Array.from(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), (byte) => String.fromCharCode(byte)).join(''));

export async function run({ createModel }, { training, steps, tests }, backend) {
  const model = await createModel({ backend, stepsPerEpoch: steps.length, epochs: 1 });
  const images = (data) => ({ shape: [data.length / (32 * 32 * 3), 32, 32, 3], data });
  model.calibrate(images(bytes(training)));
  for (const step of steps) await model.trainStep(images(bytes(step.images)), { shape: [bytes(step.labels).length], data: bytes(step.labels) });
  const saved = text(await model.save());
  const predicted = Object.fromEntries(Object.entries(await model.predict(images(bytes(tests)))).map(([name, { data }]) => [name, text(data)]));
  const { device } = model;
  await model.dispose();
  return { device, saved, predicted };
}
`;

/** Runs the modules of these nets on a backend. */
export async function inChromium(app: App, given: Readonly<Record<string, Given>>, backend: string): Promise<Readonly<Record<string, Found>>> {
  const names = Object.keys(given);
  await writeFile(join(app.folder, 'program.js'), PROGRAM);
  await writeFile(join(app.folder, 'main.ts'), `
import { run } from './program.js';
${names.map((name) => `import * as ${name} from './${name}.ts';`).join('\n')}
const given = ${JSON.stringify(given)};
const modules = { ${names.join(', ')} };
Object.assign(window, { run: async (name) => run(modules[name], given[name], ${JSON.stringify(backend)}) });
`);
  await writeFile(join(app.folder, 'index.html'), '<!doctype html><script type="module" src="./main.ts"></script>');
  const warnings: string[] = [];
  const log = { info: () => undefined, warn: (text: string) => void warnings.push(text), warnOnce: (text: string) => void warnings.push(text), error: (text: string) => void warnings.push(text), clearScreen: () => undefined, hasErrorLogged: () => false, hasWarned: false };
  await build({ root: app.folder, configFile: false, logLevel: 'warn', customLogger: log, build: { outDir: 'bundled', chunkSizeWarningLimit: 100_000, reportCompressedSize: false } });
  if (warnings.length > 0) throw new Error(warnings.join('\n'));
  const server = await preview({ root: app.folder, configFile: false, logLevel: 'silent', build: { outDir: 'bundled' }, preview: { port: 0, host: '127.0.0.1' } });
  const { chromium: launcher } = await import('playwright-core');
  const browser = await launcher.launch({ ...(chromium !== undefined && { executablePath: chromium }), args: SOFTWARE });
  try {
    const page = await browser.newPage();
    await page.goto(server.resolvedUrls?.local[0] ?? '');
    const found: Record<string, Found> = {};
    for (const name of names) found[name] = await page.evaluate((net) => (window as unknown as { run: (net: string) => Promise<Found> }).run(net), name);
    return found;
  } finally {
    await browser.close();
    await server.close();
  }
}
