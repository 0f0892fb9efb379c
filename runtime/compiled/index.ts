// What compiled models import, in Node: the package's entry `zigzag-nn/runtime`. It knows neither the compiler nor any data set.

import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Artefact } from '../../compiler/5-emit/artefact.ts';
import type { Hosts } from './backends.ts';
import { fetchBytes } from './fetch.ts';
import type { CompiledModel, NetTypes, OpenOptions } from './model.ts';
import { openArtefact } from './open.ts';

export * from './exports.ts';

/**
 * Opens a compiled model on a backend that works here.
 * Throws RangeError where the options make no sense, RunError where the weights are damaged or of another net, BackendError where no backend works.
 */
export const openModel = <T extends NetTypes>(artefact: Artefact, hosts: Hosts, options: OpenOptions): Promise<CompiledModel<T>> =>
  openArtefact<T>(artefact, hosts, options, async (url) => (url.protocol === 'file:' ? readFile(fileURLToPath(url)) : fetchBytes(url)));
