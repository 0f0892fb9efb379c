// zz ir --format html: one page with the graph drawn pass by pass, streams side by side, and the source beside it.

import { readFile } from 'node:fs/promises';
import { drawStages } from '../compiler/inspect/stage-drawing.ts';
import { createStageView, STAGE_STYLE } from '../compiler/inspect/stage-view.ts';
import type { Stage } from './stages.ts';

/** The page's text. `files` are the sources: name and text. */
export async function graphPage(net: string, stages: readonly Stage[], chosen: string, files: ReadonlyMap<string, string>): Promise<string> {
  const drawn = drawStages(stages);
  const data = { net, chosen: drawn.some(({ name }) => name === chosen) ? chosen : drawn.at(-1)?.name, files: Object.fromEntries(files), stages: drawn };
  const parts: Readonly<Record<string, string>> = {
    '<!-- title -->': net.replaceAll(/[&<>]/g, (sign) => `&#${sign.charCodeAt(0)};`),
    '/* drawing */': STAGE_STYLE,
    '/* view */ undefined': createStageView.toString(),
    // `<` as an escape: no text of the data can end the script.
    '/* data */ {}': JSON.stringify(data).replaceAll('<', '\\u003c'),
  };
  const template = await readFile(new URL('graph-page.html', import.meta.url), 'utf8');
  return Object.entries(parts).reduce((text, [mark, part]) => text.replace(mark, () => part), template);
}
