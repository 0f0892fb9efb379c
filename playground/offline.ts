// The static site without a network, and with threads where its host sets no headers: a service worker keeps its files and sets them. `zz playground` needs none.

const TRIED = 'zigzag-isolated';

/** Where the page has no threads yet it is loaded once more, with `before` done first. */
export async function keepForOffline(before: () => Promise<unknown>): Promise<void> {
  if (!globalThis.isSecureContext || !('serviceWorker' in navigator)) return;
  try {
    await navigator.serviceWorker.register('sw.js');
    const { active } = await navigator.serviceWorker.ready;
    active?.postMessage('loaded');
    // Where the headers do not help once, they do not help twice.
    if (globalThis.crossOriginIsolated || sessionStorage.getItem(TRIED) !== null) return;
    sessionStorage.setItem(TRIED, '');
    await before();
    location.reload();
  } catch {
    // Without the worker there is one thread, and a network is needed.
  }
}
