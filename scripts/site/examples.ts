// The page of examples: each net's source, how many weights it has, and the drawing of its graph, all made from the file itself.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildNet, loadProgram, memoryReader } from '../../compiler/2-graph/build.ts';
import { graphToSvg } from '../../compiler/2-graph/drawing.ts';
import type { Graph } from '../../compiler/2-graph/graph.ts';

export interface Examples {
  readonly markdown: string;
  /** Drawings by file name. */
  readonly pictures: ReadonlyMap<string, string>;
}

const weights = (graph: Graph): number => graph.nodes.reduce((sum, node) => sum + (node.kind === 'weight' ? node.attrs.shape.reduce((a, b) => a * b, 1) : 0), 0);

/** The nets of a folder. Throws Error where one does not build. */
export function examplesPage(folder: string): Examples {
  const pictures = new Map<string, string>();
  const parts = readdirSync(folder).filter((name) => name.endsWith('.zz')).sort().map((file) => {
    const text = readFileSync(join(folder, file), 'utf8');
    const program = loadProgram(file, memoryReader({ [file]: text }));
    const nets = (program.main?.ast.nets ?? []).map(({ name }) => {
      const { graph } = buildNet(program, name.name, { mode: 'train' });
      if (!graph) throw new Error(`${file} does not build`);
      const drawing = graphToSvg(graph, ({ span }) => text.slice(span.start, span.end));
      const picture = `${file.replace(/\.zz$/, '')}-${name.name}.svg`;
      if (drawing !== undefined) pictures.set(picture, drawing);
      return `**${name.name}**: ${weights(graph).toLocaleString('en')} weights.${drawing === undefined ? '' : `\n\n![The graph of ${name.name}](pictures/${picture})`}`;
    });
    return `## ${file}\n\n\`\`\`zz\n${text.trimEnd()}\n\`\`\`\n\n${nets.join('\n\n')}`;
  });
  return { markdown: `# Examples\n\nThe nets of \`dsl-examples/\`. In a drawing each stream has a column, and time goes downwards.\n\n${parts.join('\n\n')}\n`, pictures };
}
