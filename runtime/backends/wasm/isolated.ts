// The WebAssembly engine of a page that is cross-origin isolated, which browsers give shared memory to: workers, as in Node.

import { pageEngine } from './browser.ts';
import type { Engine } from './engine.ts';
import { startThreads, type Spawn } from './threads.ts';
import { serve } from './worker.ts';

/** What this page can have: workers where it is isolated, else its own thread. */
export const browserEngine = (): Engine => (globalThis.crossOriginIsolated === true ? workersEngine : pageEngine);

const workersEngine: Engine = {
  threads: () => navigator.hardwareConcurrency,
  mostThreads: 256,
  createMemory: (pages) => new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true }),
  compile: (code) => WebAssembly.compile(new Uint8Array(code)),
  async start(setups) {
    const url = URL.createObjectURL(new Blob([SOURCE], { type: 'text/javascript' }));
    try {
      return await startThreads(setups, spawnFrom(url));
    } finally {
      URL.revokeObjectURL(url);
    }
  },
};

const SOURCE = `onmessage = ({ data }) => (${serve.toString()})(data, () => postMessage('ready'));`;

const spawnFrom =
  (url: string): Spawn =>
  (setup, ready, failed) => {
    const worker = new Worker(url);
    worker.onmessage = () => ready();
    worker.onerror = ({ message }) => failed(new Error(message));
    worker.postMessage(setup);
    return { terminate: () => worker.terminate() };
  };
