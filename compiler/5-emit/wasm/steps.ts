// The steps of a contraction: what is packed or transformed first, the product, and what turns its sums into the result.

import type { ValueId } from '../../2-graph/graph.ts';
import type { Buffer } from '../../4-kernels/kernel.ts';
import type { Code } from './code.ts';
import { storeThrough } from './epilogue.ts';
import type { Epilogue } from './epilogue.ts';
import { blockingOf, chunksOf, definePack, defineProduct, packedBytes, scratchBytes } from './gemm.ts';
import type { Product, Store } from './gemm.ts';
import { convolutionScratch, defineConvolution, defineFilterTransform, filterBytes } from './winograd-convolution.ts';
import { chunkStarts, defineFilterStore, defineTileProducts, defineTiles, sideBytes, sidesOf, sumBytes } from './winograd-filter-grad.ts';
import type { Side } from './winograd-filter-grad.ts';
import type { Winograd } from './winograd.ts';

/** A call of a kernel: the addresses of `output` and `reads`, then numbers. */
export interface Step {
  readonly kernel: string;
  readonly reads: readonly ValueId[];
  readonly numbers?: readonly number[];
  readonly output: Buffer;
  /** Bytes of scratch that each thread needs. */
  readonly scratch: number;
}

export interface ContractionPart {
  /** The same contraction as a plain product, and in Winograd's way where that is faster. */
  readonly product: Product;
  readonly winograd: Winograd | undefined;
  readonly output: Buffer;
  readonly left: ValueId;
  readonly right: ValueId;
  readonly epilogue?: Epilogue;
}

/** What the makers of steps need of the module under construction. */
export interface Workshop {
  readonly code: Code;
  /** The kernel for a form, defined when the form is new. Buffers among the parameters count by their places. */
  readonly kernel: (kind: string, params: readonly Buffer[], form: readonly unknown[], make: (name: string) => void) => string;
}

export function contractionSteps(workshop: Workshop, part: ContractionPart): Step[] {
  const { epilogue, product, winograd } = part;
  const finish: Finish = {
    params: epilogue?.params ?? [],
    store: epilogue ? storeThrough(epilogue, product) : (_, sum) => sum,
    form: [epilogue?.indices, epilogue?.body],
  };
  if (winograd === undefined) return productSteps(workshop, part, finish);
  return winograd.kind === 'convolution' ? convolutionSteps(workshop, part, winograd, finish) : filterGradSteps(workshop, part, winograd, finish);
}

/** What becomes of a sum. */
interface Finish {
  readonly params: readonly Buffer[];
  readonly store: Store;
  readonly form: readonly unknown[];
}

const temporary = ({ id }: Buffer, suffix: string, bytes: number): Buffer => ({ id: `${id}.${suffix}`, dtype: 'f32', shape: [bytes / 4] });
const idsOf = (buffers: readonly Buffer[]): ValueId[] => buffers.map(({ id }) => id);

function productSteps({ code, kernel }: Workshop, { product, output, left, right }: ContractionPart, { params, store, form }: Finish): Step[] {
  const blocking = blockingOf(product);
  const packed = temporary(output, 'packed', packedBytes(product, blocking));
  const { groups, columns, depth, right: operand } = product;
  const pack = kernel('pack', [], [groups, columns, depth, operand, blocking.tileColumns, blocking.chunk], (name) => definePack(code, name, product, blocking));
  const multiply = kernel('product', params, [product, ...form], (name) => defineProduct(code, name, product, blocking, store, params.length));
  return chunksOf(product, blocking).flatMap((start): Step[] => [
    { kernel: pack, reads: [right], numbers: [start], output: packed, scratch: 0 },
    { kernel: multiply, reads: [left, packed.id, ...idsOf(params)], numbers: [start], output, scratch: scratchBytes(product, blocking) },
  ]);
}

function convolutionSteps({ code, kernel }: Workshop, { output, left, right }: ContractionPart, { tiling, filter }: Extract<Winograd, { kind: 'convolution' }>, { params, store, form }: Finish): Step[] {
  const transformed = temporary(output, 'filter', filterBytes(tiling));
  const transform = kernel('winograd_filter', [], [tiling, filter], (name) => defineFilterTransform(code, name, tiling, filter));
  const convolve = kernel('winograd', params, [tiling, ...form], (name) => defineConvolution(code, name, tiling, store, params.length));
  return [
    { kernel: transform, reads: [right], output: transformed, scratch: 0 },
    { kernel: convolve, reads: [left, transformed.id, ...idsOf(params)], output, scratch: convolutionScratch(tiling) },
  ];
}

function filterGradSteps({ code, kernel }: Workshop, { output, left, right }: ContractionPart, { tiling }: Winograd, { params, store, form }: Finish): Step[] {
  const sides = sidesOf(tiling);
  const [image, gradient] = [temporary(output, 'image', sideBytes(tiling, sides.image)), temporary(output, 'gradient', sideBytes(tiling, sides.gradient))];
  const sums = temporary(output, 'sums', sumBytes(tiling));
  const tiles = (side: Side): string => kernel('winograd_tiles', [], [tiling, side], (name) => defineTiles(code, name, tiling, side));
  const multiply = kernel('winograd_product', [], [tiling], (name) => defineTileProducts(code, name, tiling));
  const finish = kernel('winograd_sums', params, [tiling, ...form], (name) => defineFilterStore(code, name, tiling, store, params.length));
  return [
    ...chunkStarts(tiling).flatMap((start): Step[] => [
      { kernel: tiles(sides.image), reads: [left], numbers: [start], output: image, scratch: 0 },
      { kernel: tiles(sides.gradient), reads: [right], numbers: [start], output: gradient, scratch: 0 },
      { kernel: multiply, reads: [image.id, gradient.id], numbers: [start], output: sums, scratch: 0 },
    ]),
    { kernel: finish, reads: [sums.id, ...idsOf(params)], output, scratch: 0 },
  ];
}
