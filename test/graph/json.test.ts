import { readFileSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Graph } from '../../compiler/2-graph/graph.ts';
import { graphFromJson, GraphJsonError, graphToJson } from '../../compiler/2-graph/json.ts';
import { graphSchema } from '../../compiler/2-graph/schema.ts';
import { VerifyError } from '../../compiler/2-graph/verify.ts';
import { uniforms } from '../../runtime/random.ts';
import { EMPTY, everything, randomGraph, SETTINGS, smallGraph } from './graphs.ts';

const throughText = (graph: Graph): Graph => graphFromJson(JSON.parse(JSON.stringify(graphToJson(graph))));

describe('the JSON form', () => {
  it.each([
    ['a small graph', smallGraph()],
    ['every operation', everything()],
    ['an empty graph', EMPTY],
    ['sgd and cosine', { ...EMPTY, train: { ...SETTINGS, optimizer: { kind: 'sgd', lr: 0.1, momentum: 0.9, nesterov: true }, schedule: { kind: 'cosine', warmup: 3 } } }],
  ] as const)('reads back to an equal graph: %s', (_name, graph) => {
    expect(throughText(graph)).toStrictEqual(graph);
  });

  it('reads random graphs back', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0 }), (seed) => {
        const graph = randomGraph(seed);
        expect(throughText(graph)).toStrictEqual(graph);
      }),
      { seed: 7, numRuns: 60 },
    );
  });

  it('says what it is, and writes numbers that JSON lacks as objects', () => {
    const json = graphToJson(everything()) as unknown as { nodes: { kind: string; attrs: { value?: unknown } }[] };
    expect(json).toMatchObject({ format: 'zigzag-graph', version: 1 });
    const values = json.nodes.filter((node) => node.kind === 'constant' || node.kind === 'state').map((node) => node.attrs.value);
    expect(values).toEqual(expect.arrayContaining([0.1, { float: '-inf' }, { float: '-0' }, 1e-8, 5e-324]));
  });

  it('has a published schema, which is the one that is checked (UPDATE=1 writes it)', () => {
    const path = new URL('../../compiler/2-graph/graph.schema.json', import.meta.url);
    const text = `${JSON.stringify(graphSchema(), null, 2)}\n`;
    if (process.env['UPDATE'] === '1') writeFileSync(path, text);
    expect(readFileSync(path, 'utf8')).toBe(text);
  });
});

type Path = readonly (string | number)[];
type Tree = Record<string | number, unknown>;

/** The small graph's JSON with one place replaced, or taken out. */
function changed(path: Path, value?: unknown): unknown {
  const json = JSON.parse(JSON.stringify(graphToJson(smallGraph()))) as Tree;
  const parent = path.slice(0, -1).reduce<Tree>((tree, key) => tree[key] as Tree, json);
  const last = path.at(-1) as string | number;
  if (value === undefined) Reflect.deleteProperty(parent, last);
  else parent[last] = value;
  return json;
}

// Nodes of the small graph: 0 image, 1 labels, 2 w.L.1, 4 call, 5 reduce_mean, 6 loss.
const BAD: readonly (readonly [Path, unknown, string])[] = [
  [['format'], 'onnx', '/format must be equal to constant: zigzag-graph'],
  [['version'], 2, '/version must be equal to constant: 1'],
  [['name'], undefined, 'the graph must have required property \'name\''],
  [['extra'], 1, 'the graph must NOT have additional properties: extra'],
  [['mode'], 'predict', '/mode must be equal to one of the allowed values: train, evaluate'],
  [['loss'], 3, '/loss must be string'],
  [['loss'], 'a b', '/loss must match pattern "^[A-Za-z0-9_][A-Za-z0-9_.-]*$"'],
  [['classifier', 'correct'], undefined, '/classifier must have required property \'correct\''],
  [['nodes'], {}, '/nodes must be array'],
  [['nodes', 0], 'input', '/nodes/0 must be object'],
  [['nodes', 0, 'id'], undefined, '/nodes/0 must have required property \'id\''],
  [['nodes', 0, 'kind'], 'inputs', '/nodes/0 value of tag "kind" must be in oneOf'],
  [['nodes', 0, 'kind'], undefined, '/nodes/0 must have required property \'kind\''],
  [['nodes', 0, 'colour'], 'red', '/nodes/0 must NOT have additional properties: colour'],
  [['nodes', 0, 'inputs'], ['labels'], '/nodes/0/inputs must NOT have more than 0 items'],
  [['nodes', 5, 'inputs'], [], '/nodes/5/inputs must NOT have fewer than 1 items'],
  [['nodes', 5, 'inputs', 0], 7, '/nodes/5/inputs/0 must be string'],
  [['nodes', 5, 'attrs', 'keep'], undefined, '/nodes/5/attrs must have required property \'keep\''],
  [['nodes', 5, 'attrs', 'keep'], 'yes', '/nodes/5/attrs/keep must be boolean'],
  [['nodes', 5, 'attrs', 'k'], 2, '/nodes/5/attrs must NOT have additional properties: k'],
  [['nodes', 5, 'attrs', 'axes'], [1.5], '/nodes/5/attrs/axes/0 must be integer'],
  [['nodes', 2, 'attrs', 'init'], 'hee', '/nodes/2/attrs/init must be equal to one of the allowed values: he, glorot, normal, truncated_normal, orthogonal, zeros, ones'],
  [['nodes', 2, 'attrs', 'shape', 0], 'B', '/nodes/2/attrs/shape/0 must be integer'],
  [['nodes', 6, 'attrs', 'label_smoothing'], '0', '/nodes/6/attrs/label_smoothing must be number'],
  [['nodes', 0, 'type', 'dtype'], 'f64', '/nodes/0/type/dtype must be equal to one of the allowed values: f32, f16, i32'],
  [['nodes', 0, 'type', 'shape', 1], 0, '/nodes/0/type/shape/1 must be >= 1'],
  [['nodes', 0, 'type', 'shape', 0], '1B', '/nodes/0/type/shape/0 must be integer'],
  [['nodes', 0, 'locs', 0, 'line'], 0, '/nodes/0/locs/0/line must be >= 1'],
  [['nodes', 0, 'locs', 0, 'span', 'end'], undefined, '/nodes/0/locs/0/span must have required property \'end\''],
  [['nodes', 4, 'tags', 'phase'], 'forward', '/nodes/4/tags/phase must be equal to one of the allowed values: backward, update'],
  [['nodes', 4, 'tags', 'weight'], 1, '/nodes/4/tags must NOT have additional properties: weight'],
  [['regions', 0, 'params', 0, 'type'], undefined, '/regions/0/params/0 must have required property \'type\''],
  [['regions', 0, 'result'], undefined, '/regions/0 must have required property \'result\''],
  [['routes', 0, 'mode'], '-=', '/routes/0/mode must be equal to one of the allowed values: =, +='],
  [['updates', 0, 'target'], undefined, '/updates/0 must have required property \'target\''],
  [['views', 0, 'parts', 0, 'steps', 0, 'op'], 'flip', '/views/0/parts/0/steps/0 value of tag "op" must be in oneOf'],
  [['views', 0, 'parts', 0, 'steps', 1, 'then', 'sigma'], [0], '/views/0/parts/0/steps/1/then/sigma must NOT have fewer than 2 items'],
  [['train', 'optimizer', 'kind'], 'lion', '/train/optimizer value of tag "kind" must be in oneOf'],
  [['train', 'optimizer', 'eps'], undefined, '/train/optimizer must have required property \'eps\''],
  [['train', 'schedule', 'warmup'], 5, '/train/schedule must NOT have additional properties: warmup'],
  [['train', 'batch'], 2.5, '/train/batch must be integer'],
  [['train', 'normalize'], 'batch', '/train/normalize must be equal to one of the allowed values: per_batch, channel, none'],
];

describe('what the schema refuses', () => {
  it.each(BAD)('%j = %j', (path, value, message) => {
    const read = () => graphFromJson(changed(path, value));
    expect(read).toThrow(GraphJsonError);
    expect(read).toThrow(message);
  });

  it.each([null, 1, 'graph', [], {}, [[]]])('%j', (value) => {
    expect(() => graphFromJson(value)).toThrow(GraphJsonError);
  });

  it('endless nesting', () => {
    let deep: unknown = { op: 'crop', pad: 1 };
    for (let i = 0; i < 100_000; i++) deep = { op: 'sometimes', p: 1, then: deep };
    expect(() => graphFromJson(changed(['views', 0, 'parts', 0, 'steps', 0], deep))).toThrow('the graph is nested more than 110 deep');
  });

  it('leaves to the verifier what a schema cannot say', () => {
    expect(() => graphFromJson(changed(['nodes', 5, 'inputs', 0], 'nowhere'))).toThrow(VerifyError);
    expect(() => graphFromJson(changed(['nodes', 5, 'attrs', 'axes'], [9]))).toThrow('[B,4,4,8] has no axis 9: it has 4 axes (ZZ3008)');
  });

  it('refuses or takes any damage at random, and what it takes is written the same again', () => {
    const counts = { taken: 0, refused: 0 };
    for (let run = 0; run < 1000; run++) {
      const next = uniforms(8, run);
      const pick = <T>(items: readonly T[]): T => items[Math.floor(next() * items.length)] as T;
      const path: (string | number)[] = [];
      let here: unknown = graphToJson(smallGraph());
      do {
        const key = pick(Object.keys(here as object));
        path.push(key);
        here = (here as Tree)[key];
      } while (typeof here === 'object' && here !== null && Object.keys(here).length > 0 && next() < 0.9);
      const json = changed(path, pick([undefined, null, 0, -1, 1e300, 0.5, '', 'x', '1', 'B', true, [], {}, [1], { float: 'nan' }]));
      try {
        expect(graphToJson(graphFromJson(json))).toEqual(json);
        counts.taken++;
      } catch (error) {
        if (!(error instanceof VerifyError)) expect(error, JSON.stringify(path)).toBeInstanceOf(GraphJsonError);
        counts.refused++;
      }
    }
    expect(counts.taken).toBeGreaterThan(20);
    expect(counts.refused).toBeGreaterThan(500);
  });
});
