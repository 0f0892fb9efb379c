// The memory plan drawn over time: bytes across, kernels down as text; kernels across, bytes up as SVG.

import { groupOf } from '../2-graph/ops.ts';
import { phaseOf, type Phase } from './cost.ts';
import type { Buffer, MemoryPlan } from './memory-plan.ts';
import { ARENAS } from './places.ts';

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(bytes > 0 && bytes < 1e5 ? 3 : 1)} MB`;

/** What a kernel does, in a word or two: its operations without data movement, the first few. */
export function kernelName(members: MemoryPlan['kernels'][number], most = 4): string {
  const kinds = members.filter((node) => groupOf(node.kind) !== 'movement').map((node) => node.kind);
  const names = [...new Set(kinds.length > 0 ? kinds : members.map((node) => node.kind))];
  return names.length > most ? `${names.slice(0, most).join(' ')} …` : names.join(' ');
}

/** The sizes of the arenas, and what a step needs. */
export const arenaLines = ({ arenas, peak }: MemoryPlan): string[] => [
  ...ARENAS.map((arena) => `${arena.padEnd(10)} ${String(arenas[arena]).padStart(12)} bytes  ${megabytes(arenas[arena])}`),
  `${'peak'.padEnd(10)} ${String(peak).padStart(12)} bytes  ${megabytes(peak)} of gradients and temporaries`,
];

const WIDTH = 64;
const MARKS = { free: '.', held: '=', written: '#' } as const;

/** The temporary arena as a map: a line a kernel, a character a 64th of its bytes. */
export function textPicture(plan: MemoryPlan): string[] {
  const own = plan.buffers.filter(({ arena }) => arena === 'temporary');
  const size = plan.arenas.temporary;
  if (size === 0) return [];
  const starting = plan.kernels.map((): Buffer[] => []);
  const ended = plan.kernels.map((): Buffer[] => []);
  for (const buffer of own) {
    starting[buffer.from]?.push(buffer);
    ended[buffer.to + 1]?.push(buffer);
  }
  /** How many living buffers have a part of each cell. */
  const held = new Array<number>(WIDTH).fill(0);
  const cover = ({ offset, bytes }: Buffer): number[] => {
    const first = Math.floor((offset / size) * WIDTH);
    return Array.from({ length: Math.ceil(((offset + bytes) / size) * WIDTH) - first }, (_, i) => first + i);
  };
  const count = (buffers: readonly Buffer[], change: number): void => buffers.flatMap(cover).forEach((cell) => void (held[cell] = (held[cell] ?? 0) + change));
  const digits = String(plan.kernels.length - 1).length;
  const rows = plan.kernels.map((members, kernel) => {
    const fresh = starting[kernel] ?? [];
    count(ended[kernel] ?? [], -1);
    count(fresh, 1);
    const written = new Set(fresh.flatMap(cover));
    const cells = held.map((buffers, cell) => (written.has(cell) ? MARKS.written : buffers > 0 ? MARKS.held : MARKS.free));
    return `${String(kernel).padStart(digits)} ${cells.join('')} ${kernelName(members)}`;
  });
  return [`temporary arena, ${megabytes(size)} across, kernels down: ${MARKS.written} written, ${MARKS.held} held, ${MARKS.free} free`, ...rows];
}

const COLOURS: { readonly [P in Phase]: string } = { forward: '#4a90c4', backward: '#d8813a', update: '#6aa84f' };
const [LEFT, TOP, PLOT_HEIGHT] = [70, 44, 420];

/** The arenas of gradients and temporaries as an SVG image: time to the right, bytes upwards, one box a buffer. */
export function svgPicture(plan: MemoryPlan, title: string): string {
  const { kernels, arenas, peak } = plan;
  const column = Math.max(2, Math.min(24, 1100 / Math.max(1, kernels.length)));
  const [width, height] = [Math.ceil(LEFT + column * kernels.length + 20), TOP + PLOT_HEIGHT + 60];
  const scale = PLOT_HEIGHT / Math.max(1, peak);
  const up = (bytes: number): number => TOP + PLOT_HEIGHT - bytes * scale;
  const x = (kernel: number): number => LEFT + column * kernel;
  const boxes = plan.buffers.flatMap(({ node, arena, offset, bytes, from, to }) => {
    if (arena !== 'temporary' && arena !== 'gradient') return [];
    const base = arena === 'gradient' ? arenas.temporary + offset : offset;
    const end = Math.min(to, kernels.length - 1) + 1;
    const label = `%${node.id} ${node.kind} ${node.type.dtype}[${node.type.shape.join(',')}], ${megabytes(bytes)}, kernels ${from} to ${Math.min(to, kernels.length - 1)}`;
    const colour = COLOURS[phaseOf(kernels[from] ?? [])];
    return [`<rect x="${round(x(from))}" y="${round(up(base + bytes))}" width="${round(column * (end - from))}" height="${round(bytes * scale)}" fill="${colour}"><title>${escape(label)}</title></rect>`];
  });
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const y = round(up(peak * share));
    return `<line x1="${LEFT}" x2="${width - 20}" y1="${y}" y2="${y}"/><text x="${LEFT - 6}" y="${y + 4}" text-anchor="end">${megabytes(peak * share)}</text>`;
  });
  const step = Math.ceil(kernels.length / 30);
  const numbers = kernels.flatMap((_, i) => (i % step === 0 ? [`<text x="${round(x(i) + column / 2)}" y="${TOP + PLOT_HEIGHT + 16}" text-anchor="middle">${i}</text>`] : []));
  const key = Object.entries(COLOURS).map(([phase, colour], i) => `<rect x="${LEFT + 100 * i}" y="${TOP + PLOT_HEIGHT + 32}" width="12" height="12" fill="${colour}"/><text x="${LEFT + 18 + 100 * i}" y="${TOP + PLOT_HEIGHT + 42}">${phase}</text>`);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, sans-serif" font-size="11">
<style>text{fill:#333}line{stroke:#ccc}svg{background:#fff}rect{stroke:#fff;stroke-width:.5}@media(prefers-color-scheme:dark){text{fill:#ddd}line{stroke:#444}svg{background:#181a1d}rect{stroke:#181a1d}}</style>
<text x="${LEFT}" y="24" font-size="15">${escape(title)}: memory over ${kernels.length} kernels, ${megabytes(peak)} at the peak</text>
<g>${ticks.join('')}</g>
<g>
${boxes.join('\n')}
</g>
<g>${numbers.join('')}</g>
<g>${key.join('')}</g>
</svg>
`;
}

const round = (value: number): number => Math.round(value * 100) / 100;
const escape = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
