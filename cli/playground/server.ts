// Serves the built playground: plain files, isolated, so that the page may have threads over shared memory.

import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import sirv from 'sirv';

export interface Served {
  /** What is opened in a browser. */
  readonly address: string;
  readonly port: number;
  readonly close: () => Promise<void>;
}

export interface ServeOptions {
  readonly host: string;
  /** 0 for any that is free. */
  readonly port: number;
  /** What the page begins with, for its element #opened. */
  readonly opened?: unknown;
}

const HEADERS: Readonly<Record<string, string>> = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'X-Content-Type-Options': 'nosniff',
  'Cache-Control': 'no-cache',
};

/** The mark in index.html that a file to open is put into. */
const PLACE = /(<script type="application\/json" id="opened">)(<\/script>)/;

/** Throws system errors: of the folder, and where the port or the host cannot be had. */
export async function serve(folder: string, { host, port, opened }: ServeOptions): Promise<Served> {
  const page = await readFile(join(folder, 'index.html'), 'utf8');
  // `<` as an escape: no text of the file can end the script.
  const data = JSON.stringify(opened ?? null).replaceAll('<', '\\u003c');
  const index = page.replace(PLACE, (_, start: string, end: string) => start + data + end);
  const files = sirv(folder, { etag: true });
  const server = createServer((request, response) => {
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    const path = request.url?.split('?')[0];
    if (path === '/' || path === '/index.html') {
      response.setHeader('Content-Type', 'text/html; charset=utf-8');
      response.end(index);
      return;
    }
    files(request, response, () => {
      response.statusCode = 404;
      response.end('There is no such file here.\n');
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  const { port: taken, family } = server.address() as AddressInfo;
  const shown = host === '0.0.0.0' || host === '::' ? 'localhost' : family === 'IPv6' ? `[${host}]` : host;
  return {
    address: `http://${shown}:${taken}/`,
    port: taken,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
