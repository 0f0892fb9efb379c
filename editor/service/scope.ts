// What can be named at an offset: the definitions in scope, and the calls that are open there with the parameters they are at.

import type { Params } from '../../compiler/2-graph/build/arguments.ts';
import { SETTINGS } from '../../compiler/2-graph/build.ts';
import type { Library } from '../../compiler/2-graph/build.ts';
import type { Analysis } from './analysis.ts';
import { netAt } from './analysis.ts';
import type { Context } from './context.ts';
import { callable, scopeOf } from './names.ts';
import type { Callable, Definition, Taking } from './names.ts';

const NOTHING: Library = { nets: new Map(), cells: new Map() };

export const libraryOf = ({ program }: Analysis): Library => program.main?.library ?? NOTHING;

/** The definitions that may be named at an offset: those above it in its net; in a cell its own, and of the net's the layers and plain numbers. */
export function visibleAt(analysis: Analysis, { block }: Context, offset: number): Definition[] {
  const net = netAt(analysis, offset);
  // Not told from where the cell ends: one that is being typed ends too early.
  const cell = block === 'cell' ? net?.items.findLast((item) => item.kind === 'cell' && item.loc.span.start < offset) : undefined;
  const above = analysis.names.definitions.filter(({ owner, loc }) => (owner === net || (cell && owner === cell)) && loc.span.end < offset);
  const seen = above.filter(({ owner, kind, number }) => cell === undefined || owner === cell || kind === 'layer' || number);
  return [...new Map(seen.map((each) => [each.name, each])).values()];
}

/** A call that is open at an offset. */
export interface ActiveCall {
  readonly callable: Callable;
  /** The parameter that the offset is at, if the callee has one there. */
  readonly param?: readonly [name: string, param: Params[string]];
  /** Names of parameters that have been given, by place or by name. */
  readonly taken: readonly string[];
}

/** The open calls that could be resolved, innermost last. Nothing is known of what stands in a call that could not. */
export function activeCalls(analysis: Analysis, context: Context, offset: number): (ActiveCall | undefined)[] {
  const scope = scopeOf(visibleAt(analysis, context, offset));
  let around: Taking | undefined = settingOf(context.setting);
  return context.calls.map((call) => {
    const choice = around?.calls && Object.hasOwn(around.calls, call.callee) ? around.calls[call.callee] : undefined;
    const found = choice
      ? { name: call.callee, ...choice, meaning: { builtin: { kind: 'choice' as const, name: call.callee, ...choice } } }
      : callable(libraryOf(analysis), scope, call.callee, context.view);
    if (!found) {
      around = undefined;
      return undefined;
    }
    // The source of an augmentation is none of its parameters; elsewhere what is piped in comes first.
    const before = choice ? 0 : context.view ? (call.piped ? 0 : -1) : call.piped ? 1 : 0;
    const params = Object.entries(found.params);
    const rest = params.findIndex(([, { rest: takesAll }]) => takesAll);
    const placed = before + call.commas - call.named.length + (call.current === undefined ? 0 : 1);
    const place = rest < 0 ? placed : Math.min(placed, rest);
    const param = call.current === undefined ? params[place] : params.find(([name]) => name === call.current);
    around = param?.[1];
    const taken = [...params.slice(0, Math.max(0, place)).map(([name]) => name), ...call.named];
    return { callable: found, taken, ...(param && { param }) };
  });
}

export const settingOf = (key: string | undefined): (typeof SETTINGS)[keyof typeof SETTINGS] | undefined =>
  key !== undefined && Object.hasOwn(SETTINGS, key) ? SETTINGS[key as keyof typeof SETTINGS] : undefined;
