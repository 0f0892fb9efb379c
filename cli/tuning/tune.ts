// Which tilings a model's products take on this device, by measurement: those of the likeliest candidates that are fastest.

import type { Graph } from '../../compiler/2-graph/graph.ts';
import { variantsOf, type Variant } from '../../compiler/5-emit/wgsl/emit.ts';
import type { DeviceProfile, Model, WebGpuStep } from '../../compiler/5-emit/model.ts';
import { candidatesOf, chooseTiling, nameOf, showTiling, type Sizes, type Tiling } from '../../compiler/5-emit/wgsl/tiles.ts';
import type { Backend } from '../../runtime/backend.ts';
import type { Adapter } from '../../runtime/backends/adapter.ts';
import { measure } from './measure.ts';
import { sameTiling, type Choice, type Choices, type Level } from './choices.ts';

/** Candidates of a product besides its usual tiling. */
const CANDIDATES: { readonly [L in Level]: number } = { quick: 5, full: Infinity };
/** The share of all products' arithmetic from which on one is measured: for the others no tiling makes a difference that counts. */
const SHARE: { readonly [L in Level]: number } = { quick: 0.01, full: 0 };
/** Milliseconds after which no more products are begun. */
const BUDGET: { readonly [L in Level]: number } = { quick: 20_000, full: Infinity };
/** Another tiling is taken where it takes less than this share of the usual one's time: smaller differences are chance. */
const BETTER = 0.97;
/** Variants whose shaders are compiled side by side. */
const TOGETHER = 64;

export interface Tuning {
  /** The model as its products are tiled now, and what it was made of. */
  readonly model: Model<WebGpuStep>;
  readonly graphs: Readonly<Record<string, Graph>>;
  readonly adapter: Adapter;
  readonly backend: Backend<WebGpuStep>;
  readonly known: Choices;
  readonly level: Level;
}

export interface Progress {
  /** Before the first, how many products there are. */
  readonly begin: (products: number, variants: number) => void;
  readonly measured: (done: number, variants: number) => void;
  readonly chosen: (product: string, choice: Choice) => void;
}

/** Choices for the products that have none yet. Throws BackendError where the device fails. */
export async function tune({ model, graphs, adapter, backend, known, level }: Tuning, progress: Progress): Promise<Choices> {
  const wanted = productsOf(model, SHARE[level]).filter((product) => !isKnown(known.get(product), level));
  if (wanted.length === 0) return new Map();
  const groups = variantsFor(Object.values(graphs), adapter, new Set(wanted), level);
  const total = groups.reduce((sum, group) => sum + group.length, 0);
  progress.begin(groups.length, total);
  const began = performance.now();
  const choices = new Map<string, Choice>();
  let done = 0;
  for (let next = 0; next < groups.length && performance.now() - began < BUDGET[level]; ) {
    const some = takeSome(groups, next);
    next += some.length;
    const times = await measure(some.flat(), backend, model.train, () => progress.measured(++done, total));
    for (const group of some) {
      const own = times.splice(0, group.length);
      const choice = fastest(group, own, level);
      const product = group[0]?.product ?? '';
      choices.set(product, choice);
      progress.chosen(product, choice);
    }
  }
  return choices;
}

const isKnown = (choice: Choice | undefined, level: Level): boolean => choice !== undefined && (choice.level === 'full' || level === 'quick');

/** The products of a model that have at least a share of their arithmetic, the largest first. */
function productsOf({ programs }: Model<WebGpuStep>, least: number): string[] {
  const operations = new Map<string, number>();
  for (const { steps } of Object.values(programs)) {
    for (const { tiling, work } of steps) if (tiling) operations.set(tiling.product, (operations.get(tiling.product) ?? 0) + (work?.operations ?? 0));
  }
  const total = [...operations.values()].reduce((a, b) => a + b, 0);
  return [...operations].filter(([, own]) => own >= least * total).sort(([, a], [, b]) => b - a).map(([product]) => product);
}

/** Of each product its variants, the usual one first. */
function variantsFor(graphs: readonly Graph[], adapter: Adapter, wanted: ReadonlySet<string>, level: Level): (readonly Variant[])[] {
  const found = new Map<string, Variant[]>();
  for (const graph of graphs) {
    const missing = (sizes: Sizes): boolean => wanted.has(nameOf(sizes)) && !found.has(nameOf(sizes));
    const variants = variantsOf(graph, adapter, (sizes, device) => (missing(sizes) ? tilingsFor(sizes, device, level) : []));
    for (const variant of variants) found.set(variant.product, [...(found.get(variant.product) ?? []), variant]);
  }
  return [...wanted].flatMap((product) => (found.has(product) ? [found.get(product) ?? []] : []));
}

function tilingsFor(sizes: Sizes, device: DeviceProfile, level: Level): Tiling[] {
  const usual = chooseTiling(sizes, device);
  return [usual, ...candidatesOf(sizes, device).filter((each) => !sameTiling(each, usual)).slice(0, CANDIDATES[level])];
}

/** The next groups that are measured together. */
function takeSome(groups: readonly (readonly Variant[])[], from: number): (readonly Variant[])[] {
  const some: (readonly Variant[])[] = [];
  for (let count = 0; from + some.length < groups.length && count < TOGETHER; ) {
    const group = groups[from + some.length] ?? [];
    some.push(group);
    count += group.length;
  }
  return some;
}

function fastest(group: readonly Variant[], times: readonly number[], level: Level): Choice {
  const usual = times[0] ?? Infinity;
  const best = times.indexOf(Math.min(...times));
  const index = (times[best] ?? Infinity) < BETTER * usual ? best : 0;
  const variant = group[index];
  if (!variant) throw new Error('a product without variants');
  return { tiling: variant.tiling, text: showTiling(variant.tiling), level, microseconds: times[index] ?? usual, usual };
}
