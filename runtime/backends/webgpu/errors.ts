// What goes wrong on a device, as errors that say what was being done and what the user can do.

import { BackendError, UnfitError } from '../../backend.ts';

const outOfMemory = (doing: string, detail: string): BackendError =>
  new UnfitError(`the GPU is out of memory while ${doing}: ${detail}`, 'Take a smaller batch (--batch) or a narrower net (--width), or end other programs that use the GPU.');

const invalidUse = (doing: string, detail: string): BackendError =>
  new UnfitError(`WebGPU refuses something while ${doing}: ${detail}`, 'Please report this with the .zz file and what zz doctor prints; --backend wasm runs on the processor.');

const deviceLost = (detail: string): BackendError =>
  new BackendError(`the GPU was lost: ${detail || 'the driver gives no reason'}`, 'zz train --resume goes on from the last checkpoint; a driver that was updated or reset may need a restart of the machine.');

export const textOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));

/** Does something on the device; what it finds wrong is a BackendError that says what was being done. */
export async function checked<T>(gpu: GPUDevice, doing: string, work: () => T | Promise<T>): Promise<T> {
  gpu.pushErrorScope('out-of-memory');
  gpu.pushErrorScope('validation');
  const [outcome] = await Promise.allSettled([Promise.resolve().then(work)]);
  const [invalid, memory] = await Promise.all([gpu.popErrorScope(), gpu.popErrorScope()]);
  if (memory) throw outOfMemory(doing, memory.message);
  if (invalid) throw invalidUse(doing, invalid.message);
  if (outcome.status === 'rejected') throw outcome.reason;
  return outcome.value;
}

/** Keeps an eye on a device for as long as it is used. */
export interface Watch {
  /** Throws Error where the device has been given up, BackendError where it was lost or has refused something. */
  readonly check: () => void;
  /** The result of work on the device; what goes wrong on one that is gone is told as that. */
  readonly guard: <T>(work: Promise<T>) => Promise<T>;
  /** From now on nothing that happens to the device is an error. */
  readonly end: () => void;
}

/** Milliseconds in which a lost device says so, after something else has failed for it. */
const PATIENCE = 100;

export function watch(gpu: GPUDevice): Watch {
  let ended = false;
  let failure: BackendError | undefined;
  const fail = (error: BackendError): void => {
    if (!ended) failure ??= error;
  };
  void gpu.lost.then(({ message }) => fail(deviceLost(message)));
  gpu.onuncapturederror = ({ error }) => {
    fail(error.constructor.name === 'GPUOutOfMemoryError' ? outOfMemory('running', error.message) : invalidUse('running', error.message));
  };
  const check = (): void => {
    if (ended) throw new Error('the session is disposed');
    if (failure) throw failure;
  };
  return {
    check,
    async guard(work) {
      try {
        const result = await work;
        check();
        return result;
      } catch (error) {
        await Promise.race([gpu.lost, new Promise((resolve) => setTimeout(resolve, PATIENCE))]);
        check();
        throw error instanceof BackendError ? error : invalidUse('running', textOf(error));
      }
    },
    end: () => {
      ended = true;
    },
  };
}
