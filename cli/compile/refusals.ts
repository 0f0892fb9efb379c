// What targets of other engines refuse.

import { UsageError } from '../io.ts';
import type { CompileRequest } from './target.ts';

/** Throws UsageError where backends were asked for: what is made here has none. */
export function refuseBackends({ backends }: CompileRequest, target: string): void {
  if (backends.length > 0) throw new UsageError(`the target ${target} has no backends`, 'Leave --backend out: it is for modules and pages.');
}

/** What an emitter makes; nets that its format cannot hold, of which it throws RangeError, are errors of the user's. */
export function emitted<T>(emit: () => T): T {
  try {
    return emit();
  } catch (error) {
    if (error instanceof RangeError) throw new UsageError(error.message, 'The other targets can do it; for this one the net must be written otherwise.');
    throw error;
  }
}
