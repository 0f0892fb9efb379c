// A thin layer over binaryen: a module under construction, functions of i32 parameters, typed locals, counted loops.

import binaryen from 'binaryen';

/** A binaryen expression. It is part of one tree: where a value is used twice, make it twice or keep it in a local. */
export type Ref = number;

export interface Local {
  readonly get: () => Ref;
  readonly set: (value: Ref) => Ref;
  readonly tee: (value: Ref) => Ref;
}

export interface CodeOptions {
  /** Use relaxed SIMD's fused multiply-add; else a product and a sum. */
  readonly relaxed: boolean;
}

/** What every emitter needs: the module, and the few operations that are longer in binaryen's own words. */
export interface Code {
  readonly m: binaryen.Module;
  readonly relaxed: boolean;
  readonly c: (value: number) => Ref;
  /** a * b + c in four lanes; rounded once with relaxed SIMD, else twice. */
  readonly madd: (a: Ref, b: Ref, c: Ref) => Ref;
  readonly vector: binaryen.Type;
  /** Splat of a constant. */
  readonly v: (value: number) => Ref;
}

/** Parts of binaryen's API that its type declarations leave out, or declare in a way that modules compiled one by one cannot read. */
const untyped = binaryen as unknown as { readonly SIMDTernary: { setOp(ref: Ref, op: number): void }; readonly Features: Readonly<Record<string, number>> };
const FEATURES = ['SIMD128', 'Atomics', 'BulkMemory', 'NontrappingFPToInt', 'MutableGlobals'];

export function createCode({ relaxed }: CodeOptions): Code {
  const m = new binaryen.Module();
  const features = [...FEATURES, ...(relaxed ? ['RelaxedSIMD'] : [])].map((name) => untyped.Features[name] ?? 0);
  m.setFeatures(features.reduce<number>((set, bit) => set | bit, 0) as binaryen.Features);
  // Loads and stores name the memory: it comes before them.
  m.setMemory(1, 65536, null, [], true);
  m.addMemoryImport('0', 'arena', 'memory', true);
  const fused = (a: Ref, b: Ref, c: Ref): Ref => {
    // binaryen's API has no constructor for this one: a ternary is made, then given its operation.
    const ref = m.v128.bitselect(a, b, c);
    untyped.SIMDTernary.setOp(ref, binaryen.RelaxedMaddVecF32x4);
    return ref;
  };
  const plain = (a: Ref, b: Ref, c: Ref): Ref => m.f32x4.add(m.f32x4.mul(a, b), c);
  return { m, relaxed, vector: binaryen.v128, c: (value) => m.i32.const(value), madd: relaxed ? fused : plain, v: (value) => m.f32x4.splat(m.f32.const(value)) };
}

/** A function under construction. */
export interface Fn {
  readonly code: Code;
  readonly i32: () => Local;
  readonly f32: () => Local;
  readonly v128: () => Local;
  /** A label that is new in this function. */
  readonly label: () => string;
  /** A counter that runs from `from` by `step` while it is below `to` (signed); `to` is made anew for every test. */
  readonly loop: (from: Ref, to: () => Ref, step: number, body: (i: Local) => readonly Ref[]) => Ref;
  /** The same with a counter that has its first value, and keeps its last. */
  readonly advance: (i: Local, to: () => Ref, step: number, body: () => readonly Ref[]) => Ref;
  readonly block: (statements: readonly Ref[]) => Ref;
  /** Statements, then an i32. */
  readonly value: (parts: readonly Ref[]) => Ref;
  /** The value in a fresh local, and the statement that puts it there. */
  readonly keep: (value: Ref) => { readonly local: Local; readonly statement: Ref };
}

/** Adds a function of `arity` i32 parameters without a result. */
export function define(code: Code, name: string, arity: number, body: (fn: Fn, parameters: readonly Local[]) => readonly Ref[]): void {
  const { m } = code;
  const types: binaryen.Type[] = [];
  let labels = 0;
  const at = (index: number, type: binaryen.Type): Local => ({
    get: () => m.local.get(index, type),
    set: (value) => m.local.set(index, value),
    tee: (value) => m.local.tee(index, value, type),
  });
  const fresh = (type: binaryen.Type) => (): Local => at(arity + types.push(type) - 1, type);
  const i32 = fresh(binaryen.i32);
  const block = (statements: readonly Ref[]): Ref => m.block(null, [...statements]);
  const fn: Fn = {
    code,
    i32,
    f32: fresh(binaryen.f32),
    v128: fresh(binaryen.v128),
    label: () => `l${labels++}`,
    block,
    value: (parts) => m.block(null, [...parts], binaryen.i32),
    keep: (value) => {
      const local = i32();
      return { local, statement: local.set(value) };
    },
    loop: (from, to, step, run) => {
      const i = i32();
      return block([i.set(from), fn.advance(i, to, step, () => run(i))]);
    },
    advance: (i, to, step, run) => {
      const label = fn.label();
      const next = m.br(label, m.i32.lt_s(i.tee(m.i32.add(i.get(), code.c(step))), to()));
      return m.if(m.i32.lt_s(i.get(), to()), m.loop(label, block([...run(), next])));
    },
  };
  const parameters = Array.from({ length: arity }, (_, i) => at(i, binaryen.i32));
  const statements = body(fn, parameters);
  m.addFunction(name, binaryen.createType(parameters.map(() => binaryen.i32)), binaryen.none, types, block(statements));
}

/**
 * Checks the module and writes it. Throws Error where binaryen finds it invalid, which is a fault of the emitter.
 * Binaryen's optimiser is left out: on whole training steps it takes ten times as long as all the rest, and engines that optimise themselves run the result no faster.
 */
export function finish({ m }: Code): Uint8Array {
  if (!m.validate()) throw new Error('the emitted WebAssembly module is not valid');
  const bytes = m.emitBinary();
  m.dispose();
  return bytes;
}
