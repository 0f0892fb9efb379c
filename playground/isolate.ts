// Threads for a page whose host sets no headers: a service worker sets them, and the page is loaded once more. `zz playground` sets them itself.

const TRIED = 'zigzag-isolated';

/** `before` is done before the page is loaded anew. */
export async function isolate(before: () => Promise<unknown>): Promise<void> {
  if (globalThis.crossOriginIsolated || !globalThis.isSecureContext || !('serviceWorker' in navigator)) return;
  try {
    await navigator.serviceWorker.register('sw.js');
    await navigator.serviceWorker.ready;
    // Where the headers do not help once, they do not help twice.
    if (sessionStorage.getItem(TRIED) !== null) return;
    sessionStorage.setItem(TRIED, '');
    await before();
    location.reload();
  } catch {
    // Without the worker there is one thread.
  }
}
