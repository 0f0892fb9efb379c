// All that the language service says of one small text, as JSON: what it says must not depend on where it runs.

import { memoryReader } from '../../compiler/2-graph/build.ts';
import { analyze, completionsAt, definitionAt, fixesAt, folds, formatEdit, hintsIn, hoverAt, outline, referencesAt, renameAt, selectionsAt, semanticTokens, signatureAt } from '../../editor/service/index.ts';

const TEXT = `import "parts.zz"
net Pair {
  input image: [8, 8, 3]
  view flipped = image -> hflip(p: 1.0)
  cell Recurrent(x, h) { elu(conv(x, 4, k: 3) + conv(h, 4, k: 1)) }
  streams L, R of Recurrent {
    step image: straight
    step flipped: zigzag
  }
  logits = concat(L, R) -> Part -> globalavgpool -> dense(3)
  output logits
  loss softmax_cross_entropy(logitz)
}
`;
const PART = 'net Part {\n  input x: [8, 8, 8]\n  output y = x -> conv(4)\n}\n';

export function answers(): unknown {
  const reader = memoryReader({ 'main.zz': TEXT, 'parts.zz': PART });
  const analysis = analyze('main.zz', reader);
  const whole = { start: 0, end: TEXT.length };
  return {
    at: Array.from({ length: TEXT.length / 5 }, (_, i) => i * 5).map((offset) => [
      hoverAt(analysis, offset), definitionAt(analysis, offset)?.to, completionsAt(analysis, offset).items.length, signatureAt(analysis, offset)?.label, selectionsAt(analysis, offset), referencesAt(analysis, offset).length,
    ]),
    diagnostics: analysis.diagnostics,
    fixes: fixesAt(analysis, whole),
    text: [folds(analysis), outline(analysis), semanticTokens(analysis), hintsIn(analysis, whole), formatEdit(analysis)],
    rename: [...Object.entries(renameAt(analysis, TEXT.indexOf('logits'), 'scores', [], reader))].map(([key, value]) => [key, value instanceof Map ? [...value] : value]),
  };
}
