// What a checked run has found, as a diagnostic at the place in the source where it happened.

import type { Graph, Node, ValueId } from '../compiler/2-graph/graph.ts';
import type { OpKind } from '../compiler/2-graph/ops.ts';
import { diagnostic, type Diagnostic, type Loc } from '../compiler/diagnostics.ts';
import { showSummary, type Finding } from '../runtime/numerics.ts';
import { originsOf } from './origin.ts';

/** Operations that give numbers beyond f32, or none at all, of operands that are not large; of a kernel's operations these are looked at first. */
const SUSPECTS: readonly OpKind[] = ['log', 'div', 'sqrt', 'exp', 'expm1'];
/** Places that are shown besides the first. */
const MOST = 6;

/** `graph` is what the program was made of; `when` says in which run it happened. */
export function numericsDiagnostic(finding: Finding, graph: Graph, when: string): Diagnostic {
  const { held, made: madeBy, kernel } = originsOf(graph);
  const buffer = finding.found[0]?.buffer ?? '';
  const found = finding.found.map(showSummary).join('; ');
  const known = held(buffer);
  if (finding.step === undefined) {
    const what = known?.kind === 'weight' ? `the weight %${buffer} is` : known?.kind === 'state' ? `the optimiser's state %${buffer} is` : `what enters as %${buffer} is`;
    return diagnostic('ZZ6001', placeOf(graph, known), `${what} not finite before ${when}`, { found });
  }
  const update = graph.updates.find(({ target }) => target === known?.id);
  const made = madeBy(buffer);
  const members = made ? kernel(made) : [];
  const first = members.find(({ kind }) => SUSPECTS.includes(kind)) ?? made;
  const related = [
    ...members.filter((node) => node !== first && node.locs.length > 0).map((node) => ({ message: `${node.kind} is in the same kernel`, loc: placeOf(graph, node) })),
    ...finding.inputs.flatMap((input) => {
      const node = held(input.buffer);
      return node && node.locs.length > 0 ? [{ message: `it read ${showSummary(input)}`, loc: placeOf(graph, node) }] : [];
    }),
  ];
  return diagnostic('ZZ6001', placeOf(graph, first, update?.target), `${subject(first, members, update?.target)} gives values that are not finite ${when}`, { found, related: related.slice(0, MOST) });
}

function subject(node: Node | undefined, members: readonly Node[], updated: ValueId | undefined): string {
  const { kind = 'a kernel', tags: { phase = 'forward' } = {} } = node ?? {};
  const others = [...new Set(members.filter((each) => each !== node).map((each) => each.kind))];
  const name = others.length === 0 ? kind : `${kind}, in one kernel with ${others.join(', ')},`;
  if (updated !== undefined) return `the update of %${updated} (${name.replace(/,$/, '')})`;
  return phase === 'backward' ? `the gradient's ${name}` : phase === 'update' ? `the optimiser's ${name}` : name;
}

/** Where a value comes from; what has no place of its own, as updates, is told at the weight's, or at the net's end. */
function placeOf(graph: Graph, node: Node | undefined, weight?: ValueId): Loc {
  const places = [node, graph.nodes.find(({ id }) => id === weight?.replace(/^(m|v|vmax)\./, '')), ...graph.nodes.toReversed()].flatMap((each) => each?.locs ?? []);
  const [place] = places;
  if (!place) throw new Error('a graph without places');
  return place;
}
