// A net's forward graph as a compact SVG picture: a column for each stream, time downwards, a box for each call in the source.

import type { Loc } from '../diagnostics.ts';
import type { Graph, Node, ValueId } from './graph.ts';
import { isElementwise, isLeaf } from './ops.ts';
import { nodesById } from './queries.ts';
import { showShape } from './types.ts';

/** Nodes that one call of the source became, and the calls of element-wise functions that follow it. */
interface Box {
  readonly lane: string | undefined;
  /** Stream and step or stage: calls of different ones never share a box. */
  readonly place: string;
  readonly step: number | undefined;
  /** File, start and end of the call. */
  readonly call: string;
  readonly label: string;
  readonly elementwise: boolean;
  readonly input: boolean;
  /** Of the last node. */
  readonly shape: string;
  /** Boxes that it reads, by index: all lower than its own. */
  readonly reads: readonly number[];
}

interface Placed extends Box {
  readonly x: number;
  readonly y: number;
  readonly rank: number;
}

const WIDTH = 168;
const HEIGHT = 40;
/** Between boxes; rows that streams cross between stand further apart. */
const GAP = { x: 20, y: 26, crossed: 44 } as const;
/** How far a crossing line leads straight down before it turns, so that two of them make an X. */
const BEND = 12;
/** Letters of a label, and of the smaller note below it. */
const LONGEST = { label: 25, note: 27 } as const;

/** Pictures of more boxes help nobody. */
const MOST = 400;

/** The picture, or undefined where it would be too large. `sourceOf` gives the source text of a place; without it boxes are named by their operations. */
export function graphToSvg(graph: Graph, sourceOf: (loc: Loc) => string | undefined = () => undefined): string | undefined {
  const boxes = mergeFollowers(boxesOf(graph, sourceOf));
  if (boxes.length > MOST) return undefined;
  const lanes = [...new Set(boxes.flatMap(({ lane }) => (lane === undefined ? [] : [lane])))];
  const placed = place(boxes, lanes);
  const width = Math.max(...placed.map(({ x }) => x)) + WIDTH + GAP.x;
  const height = Math.max(...placed.map(({ y }) => y)) + HEIGHT + GAP.y / 2;
  const readers = countReaders(boxes);
  // Lines from an input to many boxes would hide the rest: those boxes name it instead.
  const named = (source: number): boolean => boxes[source]?.input === true && (readers[source] ?? 0) > 1;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escape(`the graph of net ${graph.name}`)}" font-family="ui-monospace, monospace" font-size="11">`,
    `<style>${STYLE}</style>`,
    ...placed.flatMap((box) => box.reads.filter((source) => !named(source)).map((source) => edge(placed[source], box))),
    ...placed.map((box) => draw(box, lanes, box.reads.filter(named).map((source) => boxes[source]?.label ?? ''))),
    '</svg>',
  ].join('\n');
}

const STYLE = [
  'text{fill:#1e293b}.s{fill:#64748b;font-size:9.5px}rect{stroke-width:1.5}path{fill:none;stroke:#94a3b8;stroke-width:1.5}path.c{stroke:#ea580c}',
  '@media (prefers-color-scheme:dark){text{fill:#e2e8f0}.s{fill:#94a3b8}path{stroke:#64748b}path.c{stroke:#fb923c}}',
].join('');

const escape = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

/** The values that outputs and the loss are computed from. */
function needed(graph: Graph): ReadonlySet<ValueId> {
  const nodes = nodesById(graph);
  const found = new Set<ValueId>();
  const pending = [...graph.outputs.map(({ value }) => value), ...(graph.loss === undefined ? [] : [graph.loss])];
  for (let id = pending.pop(); id !== undefined; id = pending.pop()) {
    if (found.has(id)) continue;
    found.add(id);
    pending.push(...(nodes.get(id)?.inputs ?? []));
  }
  return found;
}

const placeOf = ({ tags: { stream, step, stage } }: Node): string => [stream ?? '', step ?? '', stage ?? ''].join(' ');

function boxesOf(graph: Graph, sourceOf: (loc: Loc) => string | undefined): Box[] {
  const wanted = needed(graph);
  const boxes: Box[] = [];
  // The boxes that a value comes from; weights and constants come from none, and a route passes on what it takes.
  const origin = new Map<ValueId, readonly number[]>();
  for (const node of graph.nodes) {
    if (!wanted.has(node.id) || node.tags.phase !== undefined || (isLeaf(node.kind) && node.kind !== 'input')) continue;
    const reads = [...new Set(node.inputs.flatMap((id) => origin.get(id) ?? []))];
    if (node.kind === 'route') {
      origin.set(node.id, reads);
      continue;
    }
    const box = boxOf(node, reads, sourceOf);
    const last = reads.find((index) => boxes[index]?.call === box.call && boxes[index]?.place === box.place);
    const host = last === undefined ? undefined : boxes[last];
    // A box grows only by what reads nothing made after it: the order of boxes stays one of the graph.
    if (last !== undefined && host !== undefined && !host.input && reads.every((index) => index <= last)) {
      const sources = new Set([...host.reads, ...reads].filter((index) => index !== last));
      boxes[last] = { ...host, shape: box.shape, elementwise: host.elementwise && box.elementwise, reads: [...sources] };
      origin.set(node.id, [last]);
    } else {
      origin.set(node.id, [boxes.length]);
      boxes.push(box);
    }
  }
  return boxes;
}

function boxOf(node: Node, reads: readonly number[], sourceOf: (loc: Loc) => string | undefined): Box {
  const [loc] = node.locs;
  const { stream, step } = node.tags;
  const source = loc === undefined ? undefined : sourceOf(loc)?.replace(/\s+/g, ' ').replace(/, init: \w+(\([^()]*\))?/, '');
  const label = node.kind === 'input' ? node.id : node.kind === 'call' && stream !== undefined ? `${stream}[${step ?? 0}]` : (source ?? node.kind);
  const call = loc === undefined ? `%${node.id}` : `${loc.file} ${loc.span.start} ${loc.span.end}`;
  return { lane: stream, place: placeOf(node), step, call, label, elementwise: isElementwise(node.kind), input: node.kind === 'input', shape: showShape(node.type.shape), reads };
}

function countReaders(boxes: readonly Box[]): number[] {
  const counts = boxes.map(() => 0);
  for (const { reads } of boxes) for (const source of reads) counts[source] = (counts[source] ?? 0) + 1;
  return counts;
}

/** An element-wise call that alone reads a box of its own place is written into that box. */
function mergeFollowers(boxes: readonly Box[]): Box[] {
  const readers = countReaders(boxes);
  const merged: Box[] = [];
  const at = new Map<number, number>();
  for (const [i, box] of boxes.entries()) {
    const reads = [...new Set(box.reads.map((source) => at.get(source) ?? source))];
    const [only] = box.reads;
    const target = box.elementwise && box.reads.length === 1 && only !== undefined && readers[only] === 1 ? at.get(only) : undefined;
    const host = target === undefined ? undefined : merged[target];
    if (target !== undefined && host && !host.input && host.place === box.place) {
      merged[target] = { ...host, label: box.label.includes(host.label) ? box.label : `${host.label} -> ${box.label}`, shape: box.shape };
      at.set(i, target);
    } else {
      at.set(i, merged.length);
      merged.push({ ...box, reads });
    }
  }
  return merged;
}

/** Rows by the longest way from an input, a step of streams below all of the step before; in a row, streams stand in their columns and other boxes below what they read. */
function place(boxes: readonly Box[], lanes: readonly string[]): Placed[] {
  const ranks: number[] = [];
  for (const { reads, step } of boxes) {
    const before = step === undefined ? [] : ranks.filter((_, i) => boxes[i]?.step === step - 1);
    ranks.push(Math.max(-1, ...reads.map((source) => ranks[source] ?? 0), ...before) + 1);
  }
  const pitch = WIDTH + GAP.x;
  const middle = (Math.max(1, lanes.length) - 1) / 2;
  const columns: number[] = [];
  for (let rank = 0; rank <= Math.max(0, ...ranks); rank++) {
    const row = boxes.map((_, i) => i).filter((i) => ranks[i] === rank);
    const wish = (i: number): number => {
      const { lane, reads } = boxes[i] as Box;
      if (lane !== undefined) return lanes.indexOf(lane);
      return reads.length === 0 ? middle : reads.reduce((sum, source) => sum + (columns[source] ?? middle), 0) / reads.length;
    };
    // Inputs stand around the middle, streams in their columns; others as near to their wish as those leave room.
    const inputs = row.filter((i) => boxes[i]?.input);
    inputs.forEach((i, n) => (columns[i] = middle - (inputs.length - 1) / 2 + n));
    const taken = inputs.map((i) => columns[i] ?? 0);
    const laned = (i: number): number => (boxes[i]?.lane === undefined ? 1 : 0);
    for (const i of row.filter((each) => !inputs.includes(each)).toSorted((a, b) => laned(a) - laned(b) || wish(a) - wish(b))) {
      let column = wish(i);
      for (let clash: number | undefined = column; clash !== undefined; ) {
        clash = taken.find((other) => Math.abs(other - column) < 1);
        if (clash !== undefined) column = clash + 1;
      }
      columns[i] = column;
      taken.push(column);
    }
  }
  const left = Math.min(0, ...columns);
  const reached = new Set(boxes.flatMap((box, i) => (box.reads.some((source) => crosses(boxes[source], box)) ? [ranks[i]] : [])));
  const tops: number[] = [];
  for (let rank = 0; rank <= Math.max(0, ...ranks); rank++) tops.push(rank === 0 ? GAP.y / 2 : (tops[rank - 1] ?? 0) + HEIGHT + (reached.has(rank) ? GAP.crossed : GAP.y));
  return boxes.map((box, i) => {
    const rank = ranks[i] ?? 0;
    return { ...box, rank, x: GAP.x / 2 + ((columns[i] ?? 0) - left) * pitch, y: tops[rank] ?? 0 };
  });
}

/** Whether a line leads from one stream to another. */
const crosses = (from: Pick<Box, 'lane'> | undefined, to: Pick<Box, 'lane'>): boolean => from?.lane !== undefined && to.lane !== undefined && from.lane !== to.lane;

function edge(from: Placed | undefined, to: Placed): string {
  if (!from) return '';
  const [x1 = 0, y1 = 0, x2 = 0, y2 = 0] = [from.x + WIDTH / 2, from.y + HEIGHT, to.x + WIDTH / 2, to.y].map((value) => Math.round(value));
  if (crosses(from, to)) return `<path class="c" d="M${x1} ${y1} C${x1} ${y1 + BEND} ${x2} ${y2 - BEND} ${x2} ${y2}"/>`;
  // A line past other boxes of its column goes around them.
  if (to.rank - from.rank > 1 && Math.abs(from.x - to.x) < WIDTH / 2) {
    const [side, middle] = [Math.round(from.x + WIDTH + GAP.x / 2), from.y + HEIGHT / 2];
    return `<path d="M${from.x + WIDTH} ${middle} C${side} ${middle} ${side} ${y1} ${side} ${y1 + GAP.y} V${y2 - GAP.y} C${side} ${y2 - 8} ${x2 + 40} ${y2 - 12} ${x2 + 40} ${y2}"/>`;
  }
  return `<path d="M${x1} ${y1} C${x1} ${y1 + GAP.y} ${x2} ${y2 - GAP.y} ${x2} ${y2}"/>`;
}

function draw({ x, y, lane, call, label, shape, input }: Placed, lanes: readonly string[], inputs: readonly string[]): string {
  const hue = lane === undefined ? undefined : (215 + (lanes.indexOf(lane) * 360) / Math.max(2, lanes.length)) % 360;
  const colour = hue === undefined ? (input ? '#16a34a' : '#64748b') : `hsl(${Math.round(hue)} 75% 50%)`;
  const middle = Math.round(x + WIDTH / 2);
  const note = inputs.length === 0 ? shape : `reads ${inputs.join(', ')} ${shape}`;
  return [
    `<g data-call="${escape(call)}"><title>${escape(`${label} ${note}`)}</title><rect x="${Math.round(x)}" y="${Math.round(y)}" width="${WIDTH}" height="${HEIGHT}" rx="6" stroke="${colour}" fill="${colour}" fill-opacity="0.12"/>`,
    `<text x="${middle}" y="${Math.round(y) + 17}" text-anchor="middle">${escape(shorten(label, LONGEST.label))}</text>`,
    `<text class="s" x="${middle}" y="${Math.round(y) + 32}" text-anchor="middle">${escape(shorten(note, LONGEST.note))}</text></g>`,
  ].join('');
}

const shorten = (text: string, most: number): string => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
