// The language service: what an editor asks of a .zz text, as functions from an analysis. It runs in Node and in browsers, and knows nothing of any editor.
// Places are UTF-16 offsets from 0.

export { analyze, type Analysis } from './analysis.ts';
export { completionsAt, type Completion, type CompletionKind, type Completions, type ListFiles } from './completion.ts';
export { fixesAt, type Fix } from './fixes.ts';
export { folds, type Fold } from './folding.ts';
export { formatEdit } from './format.ts';
export { hintsIn, type Hint } from './hints.ts';
export { hoverAt, type Hover } from './hover.ts';
export { outline, type Entry } from './outline.ts';
export { definitionAt, referencesAt, sharedAt, type Link } from './references.ts';
export { renamable, renameAt, type Edit, type Renaming } from './rename.ts';
export { selectionsAt } from './selection.ts';
export { signatureAt, type Signature } from './signature.ts';
export { tokensBetween, type TokenList } from './token-list.ts';
export { semanticTokens, TOKEN_KINDS, type SemanticToken, type TokenKind } from './tokens.ts';
