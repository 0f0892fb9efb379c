// A net's picture for its report, its boxes named by the source.

import { graphToSvg } from '../compiler/2-graph/drawing.ts';
import { programTexts, type LoadedNet } from './load.ts';

export function drawingOf({ graph, program }: LoadedNet): { readonly drawing?: string } {
  const texts = programTexts(program);
  const drawing = graphToSvg(graph, ({ file, span }) => texts(file)?.slice(span.start, span.end));
  return drawing === undefined ? {} : { drawing };
}
