// Initial values of weights and states. A weight's numbers depend on the run's seed and its name alone.

import type { BufferId, BufferSpec, Role } from '../compiler/5-emit/model.ts';
import { normals, textKey, uniforms } from './random.ts';

type WeightRole = Extract<Role, { kind: 'weight' }>;

/** Next numbers of the weight's own streams. */
interface Draw {
  readonly uniform: () => number;
  readonly normal: () => number;
}

type Filler = (shape: readonly number[], std: number, draw: Draw) => Float32Array;

const count = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

const fill = (shape: readonly number[], next: () => number): Float32Array => Float32Array.from({ length: count(shape) }, next);

/** A standard normal number at most two standard deviations from 0: others are drawn again. */
function truncated(normal: () => number): number {
  let z = normal();
  while (Math.abs(z) > 2) z = normal();
  return z;
}

const FILLERS: { readonly [K in WeightRole['init']]: Filler } = {
  zeros: (shape) => new Float32Array(count(shape)),
  ones: (shape) => new Float32Array(count(shape)).fill(1),
  normal: (shape, std, { normal }) => fill(shape, () => std * normal()),
  truncated_normal: (shape, std, { normal }) => fill(shape, () => std * truncated(normal)),
  // He et al., "Delving Deep into Rectifiers", 2015: normal. The compiler gives sqrt(2 / fan_in) as the deviation.
  he: (shape, std, { normal }) => fill(shape, () => std * normal()),
  // Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010: uniform, of deviation sqrt(2 / (fan_in + fan_out)).
  glorot: (shape, std, { uniform }) => fill(shape, () => std * Math.sqrt(3) * (2 * uniform() - 1)),
  // Saxe et al., "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks", 2013.
  orthogonal: (shape, _std, { normal }) => orthogonal(shape, normal),
};

/** The matrix [rest, last] with orthonormal columns, or orthonormal rows where it has fewer rows than columns. */
function orthogonal(shape: readonly number[], normal: () => number): Float32Array {
  const columns = shape.at(-1) ?? 1;
  const rows = count(shape) / columns;
  const vectors = orthonormal(Math.min(rows, columns), Math.max(rows, columns), normal);
  const at = rows >= columns ? (r: number, c: number) => vectors[c]?.[r] : (r: number, c: number) => vectors[r]?.[c];
  return Float32Array.from({ length: rows * columns }, (_, i) => at(Math.floor(i / columns), i % columns) ?? 0);
}

/** `n` orthonormal vectors of `length` by modified Gram-Schmidt, each one orthogonalised twice so that rounding does not add up. */
function orthonormal(n: number, length: number, normal: () => number): Float64Array[] {
  const basis: Float64Array[] = [];
  while (basis.length < n) {
    const v = Float64Array.from({ length }, normal);
    for (const u of [...basis, ...basis]) {
      const along = dot(u, v);
      for (let i = 0; i < length; i++) v[i] = (v[i] as number) - along * (u[i] as number);
    }
    const norm = Math.sqrt(dot(v, v));
    // A draw that lies in the span of the others has no direction of its own: draw again.
    if (norm > 1e-6) basis.push(v.map((x) => x / norm));
  }
  return basis;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}

/** The first values of one weight. */
export function initialWeight(id: BufferId, shape: readonly number[], role: Pick<WeightRole, 'init' | 'std'>, seed: number): Float32Array {
  const key = textKey(id);
  return FILLERS[role.init](shape, role.std, { uniform: uniforms(seed, key), normal: normals(seed, key) });
}

/** The first values of every weight and state among the buffers, by id. Equal seeds and names give equal values. */
export function initialValues(buffers: readonly BufferSpec[], seed: number): Map<BufferId, Float32Array> {
  const values = new Map<BufferId, Float32Array>();
  for (const { id, shape, role } of buffers) {
    if (values.has(id)) continue;
    if (role.kind === 'weight') values.set(id, initialWeight(id, shape, role, seed));
    if (role.kind === 'state') values.set(id, new Float32Array(count(shape)).fill(role.value));
  }
  return values;
}
