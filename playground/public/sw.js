// A service worker for hosts that set no headers: it isolates the page, so that it may have threads, and keeps what it has loaded for when there is no network.
/* global self, caches, fetch, Response */

const CACHE = 'zigzag-playground';
const HEADERS = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp', 'Cross-Origin-Resource-Policy': 'same-origin' };

self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));
self.addEventListener('fetch', (event) => {
  const { request } = event;
  if (request.method === 'GET' && request.url.startsWith(self.registration.scope)) event.respondWith(answer(request));
});

async function answer(request) {
  const response = await fetch(request).catch(() => undefined);
  if (response?.ok) {
    await keep(request, response.clone());
    return isolated(response);
  }
  const kept = await (await caches.open(CACHE)).match(request, { ignoreSearch: true });
  return kept ? isolated(kept) : (response ?? Response.error());
}

/** A new page comes with new files: those of the old one go. */
async function keep(request, response) {
  if (request.mode === 'navigate') {
    const before = await (await caches.open(CACHE)).match(request);
    if (before && (await before.text()) !== (await response.clone().text())) await caches.delete(CACHE);
  }
  await (await caches.open(CACHE)).put(request, response);
}

function isolated({ body, status, statusText, headers }) {
  return new Response(body, { status, statusText, headers: { ...Object.fromEntries(headers), ...HEADERS } });
}
