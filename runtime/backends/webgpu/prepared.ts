// A program that is ready to run: where its values lie, and its commands.

import type { BufferId, Program, WebGpuStep } from '../../../compiler/5-emit/model.ts';
import { resultsOf } from '../buffers.ts';
import type { Place, Places } from './allocate.ts';
import type { Commands } from './commands.ts';

export interface Prepared {
  readonly program: Program<WebGpuStep>;
  readonly places: Places;
  readonly commands: Commands;
}

/** Throws RangeError where there is no program of this name. */
export function preparedOf(all: ReadonlyMap<string, Prepared>, name: string): Prepared {
  const found = all.get(name);
  if (!found) throw new RangeError(`the model has no program "${name}"`);
  return found;
}

/** The place of a result, or of a leaf. Throws RangeError where it is neither. */
export function resultOf(name: string, { program, places }: Prepared, id: BufferId): Place {
  const place = places.get(id);
  if (!place || (place.spec.role.kind === 'temporary' && !resultsOf(program).has(id))) throw new RangeError(`%${id} is no result of the program "${name}"`);
  return place;
}
