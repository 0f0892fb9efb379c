// Turns of the event loop, in Node and in browsers.

/** Gives the event loop a turn, so that signals, messages and progress get through between steps that never wait. In browsers a timer would wait for four milliseconds. */
export const turn: () => Promise<void> =
  typeof setImmediate === 'function'
    ? () => new Promise((resolve) => setImmediate(resolve))
    : () =>
        new Promise((resolve) => {
          const { port1, port2 } = new MessageChannel();
          port1.onmessage = () => {
            port1.close();
            resolve();
          };
          port2.postMessage(undefined);
        });
