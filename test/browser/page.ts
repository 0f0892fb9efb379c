// Runs a module of this repository in headless Chromium, served by Vite, and gives what it reports.

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Plugin } from 'vitest/config';
import { createViteServer } from 'vitest/node';

const ROOT = join(import.meta.dirname, '../..');
const CANDIDATES = [process.env['CHROMIUM'], '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** The browser's path: the variable CHROMIUM, or where Linux distributions put it. */
export const chromium = CANDIDATES.find((path) => path !== undefined && existsSync(path));

/** Software rendering for WebGL and WebGPU, so that the machine's drivers do not matter. */
const FLAGS = [
  '--headless=new',
  '--no-sandbox',
  '--use-angle=swiftshader',
  '--enable-unsafe-swiftshader',
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  '--enable-features=Vulkan',
];

/** Isolates the page, which shared memory asks for. */
const HEADERS = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };

/** Loads the module (a path from the repository's root) in a page; it posts one JSON value to `/report`. Throws Error after `timeout` milliseconds. */
export async function inBrowser(module: string, timeout = 90_000): Promise<unknown> {
  if (chromium === undefined) throw new Error('there is no Chromium');
  let settle: (body: string) => void = () => undefined;
  const reported = new Promise<string>((resolve) => (settle = resolve));
  const script = `addEventListener('error', (e) => report({ error: e.message })); addEventListener('unhandledrejection', (e) => report({ error: String(e.reason) }));
    const report = (value) => fetch('/report', { method: 'POST', body: JSON.stringify(value) });`;
  const page: Plugin = {
    name: 'page',
    configureServer: (server) => {
      server.middlewares.use('/report', (request, response) => {
        const parts: Buffer[] = [];
        request.on('data', (part: Buffer) => parts.push(part)).on('end', () => {
          response.end();
          settle(Buffer.concat(parts).toString());
        });
      });
      server.middlewares.use('/page', (_, response) => {
        response.setHeader('Content-Type', 'text/html');
        for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
        response.end(`<!doctype html><script>${script}</script><script type="module" src="/${module}"></script>`);
      });
    },
  };
  const profile = mkdtempSync(join(tmpdir(), 'zigzag-chromium-'));
  const server = await createViteServer({
    root: ROOT,
    configFile: false,
    logLevel: 'silent',
    cacheDir: join(profile, 'vite'),
    plugins: [page],
    server: { port: 0, host: '127.0.0.1', headers: HEADERS, hmr: false, watch: null },
    optimizeDeps: { include: ['gpu.js'], exclude: ['webgpu'], entries: [] },
  });
  await server.listen();
  const address = server.httpServer?.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const browser = spawn(chromium, [...FLAGS, `--user-data-dir=${join(profile, 'user')}`, `http://127.0.0.1:${port}/page`], { stdio: 'ignore' });
  const ended = new Promise<void>((resolve) => browser.on('exit', () => resolve()));
  const timer = setTimeout(() => settle(JSON.stringify({ error: `no report in ${timeout} ms` })), timeout);
  try {
    return JSON.parse(await reported) as unknown;
  } finally {
    clearTimeout(timer);
    browser.kill();
    await ended;
    await server.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 }); // it may still be writing
  }
}
