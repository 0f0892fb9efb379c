// The signature of the call that is being typed, and the parameter that it is at.

import type { Span } from '../../compiler/diagnostics.ts';
import type { Analysis } from './analysis.ts';
import { contextAt } from './context.ts';
import { activeCalls } from './scope.ts';
import { signature, takes } from './words.ts';

export interface Signature {
  readonly label: string;
  /** Markdown. */
  readonly about?: string;
  readonly parameters: readonly { readonly name: string; readonly place: Span; readonly about: string }[];
  /** The index of the parameter at the offset; none where the call has no more. */
  readonly active?: number;
}

/** The innermost call whose brackets are open at an offset. */
export function signatureAt(analysis: Analysis, offset: number): Signature | undefined {
  const call = activeCalls(analysis, contextAt(analysis, offset), offset).at(-1);
  if (!call) return undefined;
  const { callable: { name, params, summary }, param } = call;
  const { label, places } = signature(name, params);
  const active = Object.keys(params).indexOf(param?.[0] ?? '');
  return {
    label,
    ...(summary !== undefined && { about: summary }),
    parameters: Object.entries(params).map(([each, taking], i) => ({ name: each, place: places[i] ?? { start: 0, end: 0 }, about: takes(taking) })),
    ...(active >= 0 && { active }),
  };
}
