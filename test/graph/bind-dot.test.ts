import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bindBatch } from '../../compiler/2-graph/bind.ts';
import { createBuilder } from '../../compiler/2-graph/builder.ts';
import { graphToDot } from '../../compiler/2-graph/dot.ts';
import { ShapeError } from '../../compiler/2-graph/shapes.ts';
import { printGraph } from '../../compiler/2-graph/print.ts';
import { verify } from '../../compiler/2-graph/verify.ts';
import { EMPTY, everything, randomGraph, smallGraph } from './graphs.ts';

describe('bindBatch', () => {
  it('puts the batch size into types, attributes and regions', () => {
    const bound = bindBatch(smallGraph(), 25);
    verify(bound);
    const expected = printGraph(smallGraph()).replaceAll('[B', '[25');
    expect(printGraph(bound)).toBe(expected);
  });

  it('multiplies', () => {
    const builder = createBuilder();
    const x = builder.add('constant', [], { shape: ['2B', 3], value: 1 });
    builder.add('reshape', [x], { shape: [2, 'B', 3] });
    builder.add('reshape', [x], { shape: ['6B'] });
    const bound = bindBatch({ ...EMPTY, nodes: builder.nodes() }, 50);
    verify(bound);
    expect(bound.nodes.map((node) => [node.attrs, node.type.shape])).toEqual([
      [{ shape: [100, 3], value: 1 }, [100, 3]],
      [{ shape: [2, 50, 3] }, [2, 50, 3]],
      [{ shape: [300] }, [300]],
    ]);
  });

  it('keeps every operation and random graphs sound, leaves no symbol and does not touch its argument', () => {
    verify(bindBatch(everything(), 7));
    fc.assert(
      fc.property(fc.integer({ min: 0 }), fc.integer({ min: 1, max: 64 }), (seed, batch) => {
        const graph = randomGraph(seed);
        const before = printGraph(graph);
        const bound = bindBatch(graph, batch);
        verify(bound);
        expect(bound.nodes.every((node) => node.type.shape.every((dim) => typeof dim === 'number'))).toBe(true);
        expect(printGraph(graph)).toBe(before);
        expect(bindBatch(bound, batch + 1)).toStrictEqual(bound);
      }),
      { seed: 9, numRuns: 60 },
    );
  });

  it.each([0, -1, 2.5, NaN, Infinity])('refuses a batch of %s', (batch) => {
    expect(() => bindBatch(EMPTY, batch)).toThrow(new RangeError(`the batch size is ${batch}, but must be a whole number from 1`));
  });
});

describe('the builder', () => {
  it('gives the next free number, refuses an id twice and an unknown operand', () => {
    const builder = createBuilder();
    expect(builder.add('constant', [], { shape: [2], value: 0 })).toBe('0');
    expect(builder.add('neg', ['0'], {}, { id: '7' })).toBe('7');
    expect(builder.add('neg', ['0'], {}, { id: 'name' })).toBe('name');
    expect(builder.add('neg', ['0'], {})).toBe('8');
    expect(() => builder.add('neg', ['0'], {}, { id: '7' })).toThrow('value %7 is defined twice');
    expect(() => builder.add('neg', ['9'], {})).toThrow('no value %9');
    expect(() => builder.add('transpose', ['0'], { perm: [1] })).toThrow(ShapeError);
    expect(builder.nodes().map((node) => node.id)).toEqual(['0', '7', 'name', '8']);
  });
});

describe('graphToDot', () => {
  it('draws streams and steps as clusters, and colours the phases', () => {
    expect(graphToDot(smallGraph())).toBe(`digraph "Small" {
  rankdir=TB;
  node [shape=box, style="rounded,filled", fontname="Helvetica", fontsize=10];
  subgraph "cluster region Recurrent.L" {
    label="region Recurrent.L";
    style=rounded;
    "Recurrent.L %x" [label="%x\\nf32[B,4,4,3]", fillcolor="#eeeeee"];
    "Recurrent.L %0" [label="%0\\nconv2d\\nf32[B,4,4,8]", fillcolor="#dbe9f6"];
    "Recurrent.L %x" -> "Recurrent.L %0";
    "%w.L.1" -> "Recurrent.L %0";
    "Recurrent.L return" [label="return", shape=ellipse];
    "Recurrent.L %0" -> "Recurrent.L return";
  }
  "%image" [label="%image\\ninput\\nf32[B,4,4,3]", fillcolor="#eeeeee"];
  "%labels" [label="%labels\\nlabels\\ni32[B]", fillcolor="#eeeeee"];
  "%w.L.1" [label="%w.L.1\\nweight\\nf32[3,3,3,8]", fillcolor="#eeeeee"];
  "%m.w.L.1" [label="%m.w.L.1\\nstate\\nf32[3,3,3,8]", fillcolor="#eeeeee"];
  "%1" [label="%1 logits\\nreduce_mean\\nf32[B,8]", fillcolor="#dbe9f6"];
  "%2" [label="%2\\nsoftmax_cross_entropy\\nf32[]", fillcolor="#dbe9f6"];
  "%3" [label="%3\\ncount_correct\\nf32[]", fillcolor="#dbe9f6"];
  "%4" [label="%4\\nadjoint\\nf32[B,4,4,8]", fillcolor="#fbe0cf"];
  "%5" [label="%5\\nsquare\\nf32[3,3,3,8]", fillcolor="#fbe0cf"];
  "%6" [label="%6\\nsub\\nf32[3,3,3,8]", fillcolor="#dff2d8"];
  subgraph "cluster L" {
    label="L";
    style=rounded;
    subgraph "cluster L step 0" {
      label="step 0";
      style=rounded;
      "%0" [label="%0 h\\ncall\\nf32[B,4,4,8]", fillcolor="#dbe9f6"];
    }
  }
  "%image" -> "%0";
  "%0" -> "%1";
  "%1" -> "%2";
  "%labels" -> "%2";
  "%1" -> "%3";
  "%labels" -> "%3";
  "%0" -> "%4";
  "%w.L.1" -> "%5";
  "%w.L.1" -> "%6";
  "%5" -> "%6";
  "root 0" [label="output logits", shape=ellipse, fillcolor="#fff3b0"];
  "%1" -> "root 0";
  "root 1" [label="loss", shape=ellipse, fillcolor="#fff3b0"];
  "%2" -> "root 1";
  "root 2" [label="correct", shape=ellipse, fillcolor="#fff3b0"];
  "%3" -> "root 2";
  "root 3" [label="grad(%0) =", shape=ellipse, fillcolor="#fff3b0"];
  "%4" -> "root 3";
  "%6" -> "%w.L.1" [style=dashed, constraint=false];
  "%5" -> "%m.w.L.1" [style=dashed, constraint=false];
}
`);
  });

  it('closes every quote and brace, whatever the names', () => {
    const dot = graphToDot(everything());
    const withoutTexts = dot.replaceAll(/"(?:[^"\\\n]|\\.)*"/g, '');
    expect(withoutTexts).not.toContain('"');
    expect(withoutTexts.split('{').length).toBe(withoutTexts.split('}').length);
    expect(withoutTexts.split('[').length).toBe(withoutTexts.split(']').length);
  });
});
