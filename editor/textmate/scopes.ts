// The scopes of the TextMate grammar: one table for the lexer's tokens, one for the words that are keywords, one for what words stand for.

import { LEXED, RESERVED, STARTERS, CONTEXTUAL, wordOf } from '../../compiler/1-syntax/tokens.ts';

/** A scope for each token that the lexer makes, by its name. Words have scopes of their own; spaces have none. */
const TOKEN_SCOPES: Readonly<Record<string, string>> = {
  Comment: 'comment.line',
  Number: 'constant.numeric',
  BadNumber: 'invalid.illegal.number',
  String: 'string.quoted.double',
  BadString: 'invalid.illegal.string',
  Arrow: 'keyword.operator.arrow',
  BackArrow: 'keyword.operator.arrow.back',
  PlusEqual: 'keyword.operator.assignment',
  DotDot: 'keyword.operator.range',
  Plus: 'keyword.operator.arithmetic',
  Minus: 'keyword.operator.arithmetic',
  Star: 'keyword.operator.arithmetic',
  Slash: 'keyword.operator.arithmetic',
  Equal: 'keyword.operator.assignment',
  Colon: 'punctuation.separator.colon',
  Comma: 'punctuation.separator.comma',
  LBrace: 'punctuation.section.block.begin',
  RBrace: 'punctuation.section.block.end',
  LParen: 'punctuation.section.parens.begin',
  RParen: 'punctuation.section.parens.end',
  LSquare: 'punctuation.section.brackets.begin',
  RSquare: 'punctuation.section.brackets.end',
  Unknown: 'invalid.illegal.character',
};

/** Scopes of keywords: those that define names, and those that say what happens. */
const KEYWORD_SCOPES: Readonly<Record<string, string>> = {
  net: 'storage.type', input: 'storage.type', view: 'storage.type', let: 'storage.type', layer: 'storage.type', cell: 'storage.type', streams: 'storage.type', twin: 'storage.type',
  import: 'keyword.control.import', backward: 'keyword.control', output: 'keyword.control', loss: 'keyword.control', train: 'keyword.control',
  init: 'keyword.control', step: 'keyword.control', repeat: 'keyword.control', both: 'keyword.control', cross: 'keyword.control', grad: 'keyword.control',
  of: 'keyword.control', from: 'keyword.control', shared: 'storage.modifier',
  straight: 'keyword.control.route', zigzag: 'keyword.control.route', swap: 'keyword.control.route', concat: 'keyword.control.route', add: 'keyword.control.route', mean: 'keyword.control.route',
  true: 'constant.language', false: 'constant.language',
};

/** Scopes of the words that are names, by what they stand for. */
export const NAMES = {
  net: 'entity.name.type.net',
  cell: 'entity.name.type.cell',
  layer: 'entity.name.function.layer',
  value: 'variable.other.definition',
  stream: 'variable.other.stream',
  parameter: 'variable.parameter',
  builtin: 'support.function',
  called: 'entity.name.function',
  argument: 'variable.parameter.argument',
  setting: 'support.type.property-name',
  choice: 'support.constant',
  name: 'variable.other',
} as const;

const LANGUAGE = 'zz';
const SKIPPED: ReadonlySet<string> = new Set(['Space', 'Word']);

const known = (table: Readonly<Record<string, string>>, key: string): string => {
  const scope = table[key];
  if (scope === undefined) throw new Error(`the TextMate grammar has no scope for ${key}`);
  return `${scope}.${LANGUAGE}`;
};

export const scopeOfToken = (name: string): string => known(TOKEN_SCOPES, name);
export const scopeOfKeyword = (word: string): string => known(KEYWORD_SCOPES, word);
export const scopeOfName = (name: keyof typeof NAMES): string => `${NAMES[name]}.${LANGUAGE}`;

/** The tokens that a pattern is made for, in the lexer's order. Throws where the lexer knows one that has no scope. */
export const lexedScopes = (): readonly (readonly [token: (typeof LEXED)[number], scope: string])[] => LEXED.filter(({ name }) => !SKIPPED.has(name)).map((token) => [token, scopeOfToken(token.name)] as const);

/** Every keyword of the lexer. Throws where one has no scope. */
export const keywordScopes = (): ReadonlyMap<string, string> => {
  const words = [...RESERVED.keys(), ...CONTEXTUAL.keys(), ...[...STARTERS].map(wordOf).filter((word) => /^[a-z]/.test(word))];
  return new Map(words.map((word) => [word, scopeOfKeyword(word)]));
};
