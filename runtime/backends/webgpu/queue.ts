// The device's queue, on which no more than a few submissions wait.

import type { Watch } from './errors.ts';

/** So many submissions are under way before the host waits for one: enough that the device never waits for the host, and a break never long for the device. */
const IN_FLIGHT = 3;

export interface Queue {
  /** Submits the commands; resolves when there is room for more. */
  readonly submit: (encoder: GPUCommandEncoder) => Promise<void>;
}

export function createQueue(gpu: GPUDevice, { guard }: Watch): Queue {
  const inFlight: Promise<unknown>[] = [];
  return {
    async submit(encoder) {
      gpu.queue.submit([encoder.finish()]);
      const done = guard(gpu.queue.onSubmittedWorkDone());
      done.catch(() => undefined); // whoever comes next meets the same failure
      inFlight.push(done);
      if (inFlight.length > IN_FLIGHT) await inFlight.shift();
    },
  };
}
