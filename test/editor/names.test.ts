// What the words of a text mean: on all sound files every word is known, and what the resolver says agrees with what the compiler builds.

import { describe, expect, it } from 'vitest';
import { buildNet, loadProgram, memoryReader } from '../../compiler/2-graph/build.ts';
import { printGraph } from '../../compiler/2-graph/print.ts';
import { analyze, definitionAt, referencesAt, renamable, renameAt } from '../../editor/service/index.ts';
import type { Analysis } from '../../editor/service/index.ts';
import { SOUND, analysisAt, cursor, edited, inNet, textOf, tokensOf } from './helpers.ts';

/** Everything that a program's nets build, as text. */
const graphs = (file: string, text: string): string => {
  const program = loadProgram(file, memoryReader({ [file]: text }));
  const all = (program.main?.ast.nets ?? []).map((net) => buildNet(program, net.name.name, { mode: 'train' }));
  return all.map(({ graph, diagnostics }) => (graph ? printGraph(graph) : '') + diagnostics.map(({ code }) => code).join(' ')).join('\n').replace(/ *@\S+/g, '').replace(/ +/g, ' ');
};

describe.each(SOUND)('%s', (file) => {
  const analysis = analysisAt(file);
  const text = textOf(file);

  it('every word has a meaning', () => {
    const { occurrences } = analysis.names;
    expect(occurrences.filter(({ meaning }) => meaning === undefined).map(({ name, loc }) => `${name} ${loc.line}`)).toEqual([]);
    // Nothing that the parser takes for a name is left out.
    const found = new Set(occurrences.map(({ loc }) => loc.span.start));
    expect(tokensOf(analysis).filter(({ type, span }) => ['Word', 'LetName', 'StageName', 'Key'].includes(type) && !found.has(span.start)).map(({ text: word, span }) => `${word} at ${span.start}`)).toEqual([]);
  });

  it('every name can be changed, and the nets stay what they are', () => {
    const reader = memoryReader({ [file]: text });
    const before = graphs(file, text);
    for (const definition of analysis.names.definitions) {
      const renaming = renameAt(analysis, definition.loc.span.start, 'renamed_zz', [], reader);
      if ('refused' in renaming) throw new Error(`${definition.name}: ${renaming.refused}`);
      const after = edited(text, renaming.edits.get(file) ?? []);
      expect(after.match(/renamed_zz/g)?.length, definition.name).toBe(referencesAt(analysis, definition.loc.span.start).length);
      expect(graphs(file, after).replaceAll('renamed_zz', definition.name), definition.name).toBe(before);
    }
  });
});

const FILES = {
  'blocks.zz': '// Twice.\nnet Block {\n  input x: [8, 8, 3]\n  output y = x -> conv(3)\n}\nnet Cells {\n  input a: [8, 8, 3]\n  cell Mix(u, v) { u + v }\n  streams S of Mix { step a: straight }\n  output S\n}\n',
};
const MAIN = 'import "blocks.zz"\nnet Main {\n  input image: [8, 8, 3]\n  streams L, R of Mix { step image: straight }\n  b = Block(x: image)\n  output z = L + R + b\n}\n';

const at = (marked: string, others = FILES): string => {
  const { analysis, offset } = cursor(marked, others);
  const found = definitionAt(analysis, offset);
  return found ? `${found.to.file}:${found.to.line}:${found.to.column}` : 'nowhere';
};

describe('definitions', () => {
  it.each([
    [inNet('y = ima|ge -> relu'), 'main.zz:2:9'],
    [inNet('y = image| -> relu'), 'main.zz:2:9'],
    [inNet('y = image -> re|lu'), 'nowhere'],
    [inNet('layer f = dense(3)\n  y = image -> |f'), 'main.zz:3:9'],
    [inNet('layer f = dense(3)\n  f = image -> conv(f|)'), 'main.zz:3:9'],
    [inNet('cell C(x, h) { y = x + h elu(y|) }'), 'main.zz:3:18'],
    [inNet('cell C(x, h) { elu(x + h|) }'), 'main.zz:3:13'],
    [inNet('cell C(x, h) { x + h }\n  streams L, R of |C { step image: straight }'), 'main.zz:3:8'],
    [inNet('cell C(x, h) { x + h }\n  streams L, R of C { step image: straight }\n  y = R[|0]'), 'nowhere'],
    [inNet('cell C(x, h) { x + h }\n  streams L, R of C { step image: straight }\n  y = R|[0]'), 'main.zz:4:14'],
    [inNet('cell C(x, h) { x + h }\n  streams L, R of C { step image: (L <- R|, R <- L) }'), 'main.zz:4:14'],
    [inNet('twin A, B from image, image { A| relu cross (A <- B, B <- A) }'), 'main.zz:3:8'],
    [inNet('view v = image -> hflip\n  view w = each(image, v|)'), 'main.zz:3:8'],
    [inNet('y = image -> relu\n  backward { grad(y|) = grad(y) }'), 'main.zz:3:3'],
    [inNet('y = image -> relu\n  backward { grad(y) = grad(y|) }'), 'main.zz:3:3'],
    [inNet('y = image -> relu\n  output y|'), 'main.zz:3:3'],
    [inNet('k = 3\n  y = image -> conv(4, k: k|)'), 'main.zz:3:3'],
    [inNet('k = 3\n  y = image -> conv(4, |k: k)'), 'nowhere'],
    [inNet('same = 3\n  y = image -> conv(4, pad: same|)'), 'nowhere'],
    [MAIN.replace('of Mix', 'of Mi|x'), 'blocks.zz:8:8'],
    [MAIN.replace('Block(', 'Blo|ck('), 'blocks.zz:2:5'],
    [MAIN.replace('(x: ', '(x|: '), 'blocks.zz:3:9'],
    [MAIN.replace('blocks.zz', 'blo|cks.zz'), 'blocks.zz:1:1'],
  ])('%# %s', (marked, wanted) => {
    expect(at(marked)).toBe(wanted);
  });
});

const others = (files: Readonly<Record<string, string>>): { main: Analysis; blocks: Analysis; reader: ReturnType<typeof memoryReader> } => {
  const reader = memoryReader(files);
  return { main: analyze('main.zz', reader), blocks: analyze('blocks.zz', reader), reader };
};

describe('across files', () => {
  const { main, blocks, reader } = others({ ...FILES, 'main.zz': MAIN });

  it('references of what another file defines', () => {
    const places = referencesAt(main, MAIN.indexOf('Block('), [blocks]).map(({ loc }) => `${loc.file}:${loc.line}`);
    expect(places).toEqual(['main.zz:5', 'blocks.zz:2']);
  });

  it.each([['Block', 'Unit'], ['Mix', 'Sum'], ['x:', 'input_image']])('%s is renamed in both', (old, to) => {
    const renaming = renameAt(main, MAIN.indexOf(old), to, [blocks], reader);
    if ('refused' in renaming) throw new Error(renaming.refused);
    const texts = { 'main.zz': edited(MAIN, renaming.edits.get('main.zz') ?? []), 'blocks.zz': edited(FILES['blocks.zz'], renaming.edits.get('blocks.zz') ?? []) };
    const after = others(texts);
    expect([...after.main.diagnostics, ...after.blocks.diagnostics].map(({ code }) => code)).toEqual([...main.diagnostics, ...blocks.diagnostics].map(({ code }) => code));
    expect(texts['main.zz']).toContain(to);
    expect(texts['blocks.zz']).toContain(to);
  });

  it('is refused where the other file is not at hand', () => {
    expect(renameAt(main, MAIN.indexOf('Block('), 'Unit', [], reader)).toEqual({ refused: 'It is defined in blocks.zz, which cannot be changed from here.' });
  });
});

describe('names that are refused', () => {
  it.each([
    ['y = image -> relu', '2y', 'is no name'],
    ['y = image -> relu', '', 'is no name'],
    ['y = image -> relu', 'a b', 'is no name'],
    ['y = image -> relu', 'output', 'is a word of the language'],
    ['y = image -> relu', 'straight', 'is a word of the language'],
    ['y = image -> relu', 'step', 'is a word of the language'],
    ['y = image -> relu', 'image', 'is defined already, in line 2'],
    ['layer f = conv(4)\n  cell C(x, h) { f(x + h) }\n  z = image -> f', 'x', 'would mean something else'],
    ['layer f = conv(4)\n  y = image -> f', 'A'.repeat(256), 'at most 255'],
  ])('%s as %s', (items, to, reason) => {
    const marked = inNet(`|${items}`);
    const { analysis, offset, reader } = cursor(marked);
    const place = items.startsWith('layer') ? offset + 'layer '.length : offset;
    expect(renameAt(analysis, place, to, [], reader)).toMatchObject({ refused: expect.stringContaining(reason) as string });
  });

  it('a layer may not take the name of a net that is called', () => {
    const { analysis, offset, reader } = cursor('net Other { input a: [8, 8, 3] output y = a }\nnet Test {\n input image: [8, 8, 3]\n layer |f = conv(4)\n output y = image -> f -> Other }');
    expect(renameAt(analysis, offset, 'Other', [], reader)).toMatchObject({ refused: expect.stringContaining('would mean something else') as string });
  });

  it('words of the language', () => {
    const { analysis, offset } = cursor(inNet('y = image -> re|lu'));
    expect(renamable(analysis, offset)).toMatchObject({ refused: expect.stringContaining('not words of the language') as string });
  });
});

it('an analysis of the same texts is the same, and trees of texts that stay are kept', () => {
  const first = others({ ...FILES, 'main.zz': MAIN }).main;
  const again = memoryReader({ ...FILES, 'main.zz': MAIN });
  expect(analyze('main.zz', again, first)).toBe(first);
  const changed = analyze('main.zz', memoryReader({ ...FILES, 'main.zz': `${MAIN} ` }), first);
  expect(changed).not.toBe(first);
  expect(changed.parses.get('blocks.zz')).toBe(first.parses.get('blocks.zz'));
  expect(analyze('main.zz', memoryReader({ 'main.zz': MAIN }), first).diagnostics.map(({ code }) => code)).toContain('ZZ2010');
});
