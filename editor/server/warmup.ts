// The first questions come when a file is opened, and would run code that the engine has not compiled yet, several times slower than later.
// So the server asks itself what clients ask, about a small text, a little at a time, while nobody else does.

import type { TextDocumentPositionParams } from 'vscode-languageserver';
import { TextDocument } from 'vscode-languageserver-textdocument';
import { memoryReader } from '../../compiler/2-graph/build.ts';
import * as answers from './answers.ts';
import { createWorkspace } from './workspace.ts';
import type { Workspace } from './workspace.ts';

/** After so many, a second in all, further rounds make first requests no faster. */
const ROUNDS = 160;

const URI = 'warm-up:text.zz';
const WHOLE = { start: { line: 0, character: 0 }, end: { line: 1000, character: 0 } };

/** Something of every part of the language. What is wrong with it is for the fixes. */
export const WARM_UP_TEXT = `// Two streams that cross, and a twin whose routes are declared.
net Streams {
  input image: [8, 8, 3]
  view flipped = image -> hflip(p: 1.0) -> sometimes(0.1, blur(sigma: 0..0.5))
  layer shared = conv(4, k: 3, init: truncated_normal(0.05))
  cell Recurrent(x, h) { elu(conv(x, 4, k: 3) + conv(h, 4, k: 1)) }

  streams L, R of Recurrent {
    step image: straight
    step flipped: zigzag
    repeat 2 { step image: (L <- R, R <- L + R) }
  }

  y1 = concat(L, R) -> conv(4, k: 3) -> elu -> shared
  unused = y1 * 2 - 1
  p1 = y1 -> avgpool(2)
  y2 = p1 -> conv(4, k: 3) -> elu -> shared
  logits = y2 -> conv(10, k: 1) -> globalavgpool

  backward {
    grad(y1) = upsample(grad(p1), 2)
  }

  output logits
  loss softmax_cross_entropy(logits)
  train {
    optimizer adam(lr: 2.53e-4, beta1: 0.9, beta2: 0.9)
    batch 25
    epochs 21
    normalize per_batch
  }
}

net Twins {
  input image: [8, 8, 3]
  view flipped = image -> hflip(p: 1.0)
  twin A, B from image, flipped {
    both conv(4, k: 3) -> elu
    cross swap
    A conv(4, k: 3) -> elu
    cross (A <- A + B, B <- B)
  }
  logits = concat(A, B) -> globalavgpool -> dense(10)
  output logits
  loss softmax_cross_entropy(logits)
}
`;

/** What clients ask right after an edit and between two; `position` is that of a name. */
const REQUESTS: readonly ((workspace: Workspace, at: TextDocumentPositionParams) => unknown)[] = [
  (workspace) => workspace.analysisOf(URI).diagnostics,
  answers.hover,
  (workspace, at) => answers.definition(workspace, at, true),
  (workspace, at) => answers.references(workspace, { ...at, context: { includeDeclaration: true } }),
  answers.highlights,
  (workspace, at) => answers.rename(workspace, { ...at, newName: 'picture' }),
  (workspace, at) => answers.completion(workspace, at, true),
  answers.signature,
  answers.tokens,
  (workspace, at) => answers.hints(workspace, { ...at, range: WHOLE }),
  answers.symbols,
  answers.folding,
  answers.links,
  (workspace, at) => answers.selections(workspace, { ...at, positions: [at.position] }),
  (workspace, at) => answers.codeActions(workspace, { ...at, range: WHOLE, context: { diagnostics: [] } }),
  answers.format,
];

/** The text after some edits: every other one is in both nets, the rest move the second. */
const edited = (edits: number): string => WARM_UP_TEXT.replace('net Streams {', `net Streams { // ${edits}`).replace('net Twins {', `${'\n'.repeat(edits % 2)}net Twins { // ${edits >> 1}`);

/** Resolves when all rounds are done, or a turn is refused. Each request waits for its turn. */
export async function warmUp(turn: () => Promise<boolean>, rounds = ROUNDS): Promise<void> {
  let document = TextDocument.create(URI, 'zz', 0, WARM_UP_TEXT);
  const workspace = createWorkspace(() => [document], memoryReader({}));
  const at = { textDocument: { uri: URI }, position: document.positionAt(WARM_UP_TEXT.indexOf('image ->')) };
  for (let round = 1; round <= rounds; round++) {
    for (const request of REQUESTS) {
      if (!(await turn())) return;
      document = TextDocument.update(document, [{ text: edited(round) }], round);
      workspace.changed();
      await request(workspace, at);
    }
  }
}
