// Draws a stage in a page: a box for each value, a band for each stream, lines for what is read. For browsers; the command line puts the function's text into its pages.

import type { DrawnNode, DrawnStage } from './stage-drawing.ts';

export interface StageView {
  /** Draws a stage. A value that was chosen stays chosen where the stage has it. */
  readonly show: (stage: DrawnStage) => void;
  readonly choose: (id: string) => void;
}

/** Colours of the drawing, from the variables --ink, --soft, --line, --panel, --forward, --backward, --update, --leaf and --chosen of the page. */
export const STAGE_STYLE = `
.stage-view svg { display: block; }
.stage-view text { fill: var(--ink); font: 11px system-ui, sans-serif; pointer-events: none; }
.stage-view .lane { fill: var(--soft); font-size: 13px; font-weight: 600; }
.stage-view .band { fill: var(--panel); }
.stage-view path { fill: none; stroke: var(--line); }
.stage-view path.near { stroke: var(--chosen); stroke-width: 2; }
.stage-view rect.node { stroke: var(--line); cursor: pointer; }
.stage-view .forward { fill: var(--forward); } .stage-view .backward { fill: var(--backward); } .stage-view .update { fill: var(--update); } .stage-view .leaf { fill: var(--leaf); }
.stage-view g.same rect { stroke: var(--chosen); stroke-dasharray: 3 2; stroke-width: 1.5; }
.stage-view g.chosen rect { stroke: var(--chosen); stroke-dasharray: none; stroke-width: 2.5; }
.stage-view g:focus-visible { outline: none; } .stage-view g:focus-visible rect { stroke: var(--ink); stroke-width: 2; }
.stage-view .step { fill: var(--soft); font-size: 10px; }
.stage-view line { stroke: var(--soft); stroke-dasharray: 2 4; }
.stage-view .small { fill: var(--soft); font-size: 9.5px; }
`;

/** A drawing in `place`, which gets the class stage-view. `onChoose` hears which value a click or the Enter key chooses; nothing where the one that was chosen is in this stage no more. Stands alone: it names nothing outside itself. */
export function createStageView(place: HTMLElement, onChoose: (node: DrawnNode | undefined) => void): StageView {
  const SVG = 'http://www.w3.org/2000/svg';
  const [WIDTH, HEIGHT, GAP, DROP, MARGIN] = [132, 30, 10, 22, 44] as const;
  let nodes: readonly DrawnNode[] = [];
  let groups = new Map<string, SVGElement>();
  let lines: { readonly path: SVGElement; readonly from: string; readonly to: string }[] = [];
  let chosen = '';

  const make = (name: string, attributes: Readonly<Record<string, string | number>>, parent?: Element, text?: string): SVGElement => {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
    if (text !== undefined) element.textContent = text;
    parent?.append(element);
    return element;
  };
  const cut = (text: string, most: number): string => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

  function choose(id: string): void {
    chosen = id;
    const node = nodes.find((each) => each.id === id);
    if (!node) return;
    for (const each of nodes) {
      const group = groups.get(each.id);
      group?.classList.toggle('chosen', each.id === id);
      group?.classList.toggle('same', each.id !== id && each.kernels.some((kernel) => node.kernels.includes(kernel)));
    }
    for (const { path, from, to } of lines) path.classList.toggle('near', from === id || to === id);
    onChoose(node);
  }

  function show(stage: DrawnStage): void {
    nodes = stage.nodes;
    const starts: number[] = [];
    let x: number = MARGIN;
    for (const lane of stage.lanes) {
      starts.push(x);
      x += lane.columns * (WIDTH + GAP) + 2 * GAP;
    }
    const [width, height] = [x + MARGIN, MARGIN * 2 + stage.rows * (HEIGHT + DROP)];
    const svg = make('svg', { width, height, viewBox: `0 0 ${width} ${height}` });
    stage.lanes.forEach((lane, i) => {
      const left = starts[i] ?? 0;
      make('rect', { class: 'band', x: left - GAP, y: 8, width: lane.columns * (WIDTH + GAP) + GAP, height: height - 16, rx: 8 }, svg);
      make('text', { class: 'lane', x: left, y: 26 }, svg, lane.name === '' ? 'no stream' : lane.name === 'update' ? 'update' : `stream ${lane.name}`);
    });
    for (const { name, row } of stage.steps) {
      const y = MARGIN + row * (HEIGHT + DROP) - DROP / 2;
      make('line', { x1: 0, x2: width, y1: y, y2: y }, svg);
      make('text', { class: 'step', x: 2, y: y + 11 }, svg, name);
    }
    const at = new Map(nodes.map((node) => [node.id, { x: (starts[node.lane] ?? 0) + node.column * (WIDTH + GAP), y: MARGIN + node.row * (HEIGHT + DROP) }]));
    const leaves = new Set(nodes.filter((node) => node.inputs.length === 0).map((node) => node.id));
    lines = [];
    for (const node of nodes) {
      for (const input of new Set(node.inputs)) {
        const [from, to] = [at.get(input), at.get(node.id)];
        if (!from || !to) continue;
        const [ax, ay, bx, by] = [from.x + WIDTH / 2, from.y + HEIGHT, to.x + WIDTH / 2, to.y];
        const bend = Math.min(60, Math.max(10, Math.abs(by - ay) / 2));
        const path = make('path', { d: `M${ax} ${ay}C${ax} ${ay + bend} ${bx} ${by - bend} ${bx} ${by}`, opacity: leaves.has(input) ? 0.45 : 1 }, svg);
        lines.push({ path, from: input, to: node.id });
      }
    }
    groups = new Map();
    for (const node of nodes) {
      const { x: left = 0, y: top = 0 } = at.get(node.id) ?? {};
      const group = make('g', { tabindex: 0, role: 'button', 'data-id': node.id }, svg);
      make('title', {}, group, node.text);
      make('rect', { class: `node ${leaves.has(node.id) ? 'leaf' : node.phase}`, x: left, y: top, width: WIDTH, height: HEIGHT, rx: 5 }, group);
      make('text', { x: left + 6, y: top + 13 }, group, cut(leaves.has(node.id) ? `%${node.id}` : node.kind, 20));
      make('text', { class: 'small', x: left + 6, y: top + 25 }, group, cut(node.kernels.length > 0 ? `${node.type}  k${node.kernels.join(',')}` : node.type, 25));
      group.addEventListener('click', () => choose(node.id));
      group.addEventListener('keydown', (event) => {
        if (event.key !== 'Enter' && event.key !== ' ') return;
        event.preventDefault();
        choose(node.id);
      });
      groups.set(node.id, group);
    }
    place.replaceChildren(svg);
    if (groups.has(chosen)) choose(chosen);
    else onChoose(undefined);
  }

  place.classList.add('stage-view');
  return { show, choose };
}
