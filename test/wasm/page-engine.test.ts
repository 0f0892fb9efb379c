// Modules for a page's own memory: the memory's import is changed wherever it stands, and nothing else is.

import binaryen from 'binaryen';
import { describe, expect, it } from 'vitest';
import { wasmOn } from '../../runtime/backends/wasm/backend.ts';
import { pageEngine, withOwnMemory } from '../../runtime/backends/wasm/browser.ts';

/** A module that imports a function, a table, a global and a shared memory of so many pages, and exports what lies at an address. */
function moduleWith(pages: number): Uint8Array {
  const m = new binaryen.Module();
  m.setFeatures(binaryen.Features.Atomics | binaryen.Features.MutableGlobals);
  m.addFunctionImport('f', 'arena', 'f', binaryen.none, binaryen.i32);
  m.addTableImport('t', 'arena', 't');
  m.addGlobalImport('g', 'arena', 'g', binaryen.i32);
  m.setMemory(pages, pages, null, [], true, false, '0');
  m.addMemoryImport('0', 'arena', 'memory', true);
  m.addFunction('at', binaryen.createType([binaryen.i32]), binaryen.i32, [], m.i32.load(0, 4, m.local.get(0, binaryen.i32)));
  m.addFunctionExport('at', 'at');
  return m.emitBinary();
}

describe('withOwnMemory', () => {
  it.each([1, 127, 128, 20_000])('%i pages', async (pages) => {
    const code = moduleWith(pages);
    const own = withOwnMemory(code);
    expect(own.length).toBe(code.length);
    expect(own.filter((byte, i) => byte !== code[i]).length).toBe(1);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    new Int32Array(memory.buffer).set([7, 8], 0);
    const imports = { arena: { f: () => 0, t: new WebAssembly.Table({ element: 'anyfunc', initial: 0 }), g: 1, memory } };
    await expect(WebAssembly.instantiate(new Uint8Array(code), imports)).rejects.toThrow(/shared/);
    const { instance } = await WebAssembly.instantiate(own, imports);
    expect((instance.exports['at'] as (address: number) => number)(4)).toBe(8);
  });

  it.each([[new Uint8Array(0)], [new Uint8Array(3)], [Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, 2, 255, 255)]])('ends on what is no module: %j', (bytes) => {
    expect(withOwnMemory(bytes)).toHaveLength(bytes.length);
  });
});

it('a page has one thread', async () => {
  const empty = { net: 'Test', train: {} as never, programs: {} };
  await expect(wasmOn(pageEngine, { threads: 2 }).open(empty)).rejects.toThrow('a whole number from 1 to 1');
});
