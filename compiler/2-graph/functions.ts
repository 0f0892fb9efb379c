// The total table of the language's functions: what they take, what they mean and what they build. Errors, docs and the editor read it too.

import type { FunctionSpec } from './build/define.ts';
import { LAYERS } from './functions/layers.ts';
import { MATHS } from './functions/maths.ts';
import { NORMS } from './functions/norms.ts';
import { SHAPE_FUNCTIONS } from './functions/shapes.ts';

export type { FunctionGroup, FunctionSpec } from './build/define.ts';

export const FUNCTIONS = { ...LAYERS, ...SHAPE_FUNCTIONS, ...MATHS, ...NORMS } satisfies Record<string, FunctionSpec>;

export const FUNCTION_NAMES: readonly string[] = Object.keys(FUNCTIONS);

/** The function of a name. */
export const functionNamed = (name: string): FunctionSpec | undefined => (Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name as keyof typeof FUNCTIONS] : undefined);

/** A function's parameters in words, for the reference: name, what it takes, and what is taken where it is left out. */
export const describeParams = (spec: FunctionSpec): { name: string; takes: string; fallback?: string; rest: boolean }[] =>
  Object.entries(spec.params).map(([name, param]) => ({ name, takes: param.takes, rest: param.rest ?? false, ...(param.fallback && { fallback: param.fallback.shown }) }));
