// A graph as GraphViz text: one cluster for each stream and, in it, for each step or stage; colours tell forward, backward and update values.

import type { Graph, Node, Region, ValueId } from './graph.ts';
import { groupBy } from './group-by.ts';
import { groupOf } from './ops.ts';
import { showType } from './types.ts';

const COLOURS = { forward: '#dbe9f6', backward: '#fbe0cf', update: '#dff2d8', leaf: '#eeeeee', root: '#fff3b0' } as const;

/** The graph in the DOT language, to be drawn by `dot -Tsvg`. */
export function graphToDot(graph: Graph): string {
  const roots: readonly (readonly [label: string, value: ValueId, style?: string])[] = [
    ...graph.outputs.map((output) => [`output ${output.name}`, output.value] as const),
    ...(graph.loss === undefined ? [] : [['loss', graph.loss] as const]),
    ...(graph.classifier ? [['correct', graph.classifier.correct] as const] : []),
    ...graph.routes.map((route) => [`grad(%${route.target}) ${route.mode}`, route.value] as const),
  ];
  const lines = [
    `digraph ${quote(graph.name)} {`,
    '  rankdir=TB;',
    '  node [shape=box, style="rounded,filled", fontname="Helvetica", fontsize=10];',
    ...graph.regions.flatMap((region) => indent(regionCluster(region))),
    ...indent(clusters(graph.nodes, '')),
    ...indent(graph.nodes.flatMap((node) => edges(node, ''))),
    ...roots.flatMap(([label, value], i) => [
      `  ${quote(`root ${i}`)} [label=${quote(label)}, shape=ellipse, fillcolor="${COLOURS.root}"];`,
      `  ${quote(`%${value}`)} -> ${quote(`root ${i}`)};`,
    ]),
    ...graph.updates.map(({ target, value }) => `  ${quote(`%${value}`)} -> ${quote(`%${target}`)} [style=dashed, constraint=false];`),
    '}',
  ];
  return `${lines.join('\n')}\n`;
}

const indent = (lines: readonly string[]): string[] => lines.map((line) => `  ${line}`);

/** A text in quotes; GraphViz reads a backslash as an escape. */
const quote = (text: string): string => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll(/\r?\n|\r/g, '\\n')}"`;

function cluster(id: string, label: string, body: readonly string[]): string[] {
  return [`subgraph ${quote(`cluster ${id}`)} {`, ...indent([`label=${quote(label)};`, 'style=rounded;', ...body]), '}'];
}

/** Nodes without a stream, then a cluster for each stream with its steps. */
function clusters(nodes: readonly Node[], prefix: string): string[] {
  const streams = groupBy(nodes, (node) => node.tags.stream);
  return [...streams].flatMap(([stream, members]) => {
    if (stream === undefined) return members.map((node) => vertex(node, prefix));
    const steps = groupBy(members, stepOf);
    const body = [...steps].flatMap(([step, own]) => {
      const lines = own.map((node) => vertex(node, prefix));
      return step === undefined ? lines : cluster(`${prefix}${stream} ${step}`, step, lines);
    });
    return cluster(`${prefix}${stream}`, stream, body);
  });
}

const stepOf = ({ tags }: Node): string | undefined => (tags.step !== undefined ? `step ${tags.step}` : tags.stage !== undefined ? `stage ${tags.stage}` : undefined);

function vertex(node: Node, prefix: string): string {
  const title = node.tags.name === undefined || node.tags.name === node.id ? `%${node.id}` : `%${node.id} ${node.tags.name}`;
  const colour = COLOURS[groupOf(node.kind) === 'leaf' ? 'leaf' : (node.tags.phase ?? 'forward')];
  return `${quote(`${prefix}%${node.id}`)} [label=${quote(`${title}\n${node.kind}\n${showType(node.type)}`)}, fillcolor="${colour}"];`;
}

const edges = (node: Node, prefix: string, own?: ReadonlySet<ValueId>): string[] =>
  node.inputs.map((id) => `${quote(`${own && !own.has(id) ? '' : prefix}%${id}`)} -> ${quote(`${prefix}%${node.id}`)};`);

/** A region's body; what it reads of the graph's weights is joined to them. */
function regionCluster(region: Region): string[] {
  const prefix = `${region.name} `;
  const own = new Set([...region.params, ...region.nodes].map((value) => value.id));
  return cluster(`region ${region.name}`, `region ${region.name}`, [
    ...region.params.map((param) => `${quote(`${prefix}%${param.id}`)} [label=${quote(`%${param.id}\n${showType(param.type)}`)}, fillcolor="${COLOURS.leaf}"];`),
    ...clusters(region.nodes, prefix),
    ...region.nodes.flatMap((node) => edges(node, prefix, own)),
    `${quote(`${prefix}return`)} [label="return", shape=ellipse];`,
    `${quote(`${own.has(region.result) ? prefix : ''}%${region.result}`)} -> ${quote(`${prefix}return`)};`,
  ]);
}
