// A service worker for the static site: it isolates the page where the host does not, so that it may have threads, and keeps the site for when there is no network.
/* global self, caches, fetch, Headers, Response */

const CACHE = 'zigzag-playground';
const HEADERS = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp', 'Cross-Origin-Resource-Policy': 'same-origin' };

self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));
// Any message of the page: it is there, and what it may need later can be loaded.
self.addEventListener('message', (event) => event.waitUntil(keepAll().catch(() => undefined)));
self.addEventListener('fetch', (event) => {
  const { request } = event;
  if (request.method === 'GET' && request.url.startsWith(self.registration.scope)) event.respondWith(answer(request));
});

async function answer(request) {
  const response = await fetch(request).catch(() => undefined);
  const cache = await caches.open(CACHE);
  if (response?.ok) {
    await cache.put(request, response.clone());
    return isolated(response);
  }
  const kept = await cache.match(request, { ignoreSearch: true });
  return kept ? isolated(kept) : (response ?? Response.error());
}

/** Keeps the files of the site's list, and no others: names of files change with what is in them. */
async function keepAll() {
  const cache = await caches.open(CACHE);
  const list = await (await fetch('files.json', { cache: 'no-cache' })).json();
  const wanted = new Set(['', ...list].map((path) => new URL(path, self.registration.scope).href));
  for (const { url } of await cache.keys()) if (!wanted.has(url)) await cache.delete(url);
  for (const url of wanted) if (!(await cache.match(url))) await cache.add(url);
}

function isolated({ body, status, statusText, headers: given }) {
  const headers = new Headers(given);
  // Put in place of the host's own: twice the same is as good as none.
  for (const [name, value] of Object.entries(HEADERS)) headers.set(name, value);
  return new Response(body, { status, statusText, headers });
}
