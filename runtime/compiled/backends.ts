// Which backend a compiled model opens.

import type { ArtefactBackend, ArtefactBackends, StepOf } from '../../compiler/5-emit/artefact.ts';
import { BackendError, type Backend } from '../backend.ts';

export interface HostOptions {
  readonly threads?: number;
  /** Whether an adapter that the processor draws will do. */
  readonly software: boolean;
}

/** A backend as applications import it: `import { wasm } from 'zigzag-nn/runtime/wasm'`. */
export interface Host<Step> {
  readonly backend: (options: HostOptions) => Backend<Step>;
  /** Whether its modules may use relaxed SIMD. */
  readonly relaxedSimd?: () => boolean;
}

export type Hosts = { readonly [B in ArtefactBackend]?: Host<StepOf[B]> };

/** Fastest first. */
const ORDER: readonly ArtefactBackend[] = ['webgpu', 'wasm', 'gpujs'];

/** What `use` makes of the backend that is named, or for `auto` of the first that works. Throws RangeError where the model has no such backend, BackendError where it does not work. */
export async function withBackend<T>(hosts: Hosts, compiled: ArtefactBackends, name: string, use: (name: ArtefactBackend, software: boolean) => Promise<T>): Promise<T> {
  const there = ORDER.filter((each) => hosts[each] && compiled[each]);
  if (name !== 'auto') {
    const chosen = there.find((each) => each === name);
    if (!chosen) throw new RangeError(`the model was not compiled for the backend "${name}"; it has ${['auto', ...there].join(', ')}`);
    return use(chosen, true);
  }
  const reasons: string[] = [];
  for (const each of there) {
    try {
      return await use(each, false);
    } catch (error) {
      if (!(error instanceof BackendError)) throw error;
      reasons.push(`${each}: ${error.message}`);
    }
  }
  throw new BackendError(`no backend that the model was compiled for works here: ${reasons.join('; ')}`, 'Compile it for others with --backend.');
}
