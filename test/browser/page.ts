// Runs a module of this repository in headless Chromium, served by Vite, and gives what it exports.

import { createReadStream, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Plugin } from 'vitest/config';
import { createViteServer } from 'vitest/node';

const ROOT = join(import.meta.dirname, '../..');
const BINARYEN = '/binaryen.js';
const CANDIDATES = [process.env['CHROMIUM'], '/usr/bin/chromium-headless-shell', '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** The browser's path: the variable CHROMIUM, or where Linux distributions put it. The shell draws no window around its pages, which takes a third of the time. */
export const chromium = CANDIDATES.find((path) => path !== undefined && existsSync(path));

/** Software rendering for WebGL and WebGPU, so that the machine's drivers do not matter. */
export const SOFTWARE = ['--no-sandbox', '--use-angle=swiftshader', '--enable-unsafe-swiftshader', '--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader', '--enable-features=Vulkan'];

/** Isolates the page, which shared memory asks for. */
const ISOLATION = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };

/** An empty page in which modules can be loaded. */
const page = (headers: Readonly<Record<string, string>>): Plugin => ({
  name: 'page',
  configureServer: (server) => {
    server.middlewares.use('/page', (_, response) => {
      for (const [name, value] of Object.entries({ 'Content-Type': 'text/html', ...headers })) response.setHeader(name, value);
      response.end('<!doctype html>');
    });
  },
});

/** Binaryen as it is: with what Vite makes of its 15 MB a page takes half a minute to load it. */
const binaryen: Plugin = {
  name: 'binaryen',
  enforce: 'pre',
  resolveId: (id) => (id === 'binaryen' ? { id: BINARYEN, external: true } : undefined),
  configureServer: (server) => {
    server.middlewares.use(BINARYEN, (_, response) => {
      response.setHeader('Content-Type', 'text/javascript');
      createReadStream(join(ROOT, 'node_modules/binaryen/index.js')).pipe(response);
    });
  },
};

/** The default export, a JSON value, of a module (a path from the repository's root) that is loaded in a page. Throws Error where it throws, or takes more than `timeout` milliseconds. */
export async function inBrowser(module: string, { timeout = 90_000, isolated = true } = {}): Promise<unknown> {
  const headers = isolated ? ISOLATION : {};
  const { chromium: launcher } = await import('playwright-core');
  const cache = mkdtempSync(join(tmpdir(), 'zigzag-vite-'));
  const server = await createViteServer({
    root: ROOT,
    configFile: false,
    logLevel: 'silent',
    cacheDir: cache,
    plugins: [page(headers), binaryen],
    server: { port: 0, host: '127.0.0.1', headers, hmr: false, watch: null },
    optimizeDeps: { include: ['gpu.js'], exclude: ['webgpu', 'binaryen'], entries: [] },
  });
  await server.listen();
  const address = server.httpServer?.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const browser = await launcher.launch({ ...(chromium !== undefined && { executablePath: chromium }), args: SOFTWARE });
  const late = new Promise<never>((_, reject) => { setTimeout(() => reject(new Error(`${module} is not done in ${timeout} ms`)), timeout).unref(); });
  try {
    const opened = await browser.newPage();
    await opened.goto(`http://127.0.0.1:${port}/page`);
    return await Promise.race([opened.evaluate(`import('/${module}').then((loaded) => loaded.default)`), late]);
  } finally {
    await browser.close();
    await server.close();
    rmSync(cache, { recursive: true, force: true });
  }
}
