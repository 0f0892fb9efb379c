// The TextMate grammar of .zz, made from the lexer's tokens and the tables of functions and settings. Such a grammar sees one line at a time,
// so what a word is follows from the block it is in and from what stands next to it; the language server's semantic tokens know better.

import { Word } from '../../compiler/1-syntax/tokens.ts';
import type { Callables, Param, Params } from '../../compiler/2-graph/build/arguments.ts';
import { VIEW_NAMES, VIEW_OPERATIONS } from '../../compiler/2-graph/build/view-operations.ts';
import { SETTINGS } from '../../compiler/2-graph/build.ts';
import { FUNCTION_NAMES, FUNCTIONS } from '../../compiler/2-graph/functions.ts';
import { keywordScopes, lexedScopes, scopeOfKeyword, scopeOfName, scopeOfToken } from './scopes.ts';

interface Rule {
  readonly include?: string;
  readonly name?: string;
  readonly match?: string;
  readonly begin?: string;
  readonly end?: string;
  readonly captures?: Captures;
  readonly beginCaptures?: Captures;
  readonly endCaptures?: Captures;
  readonly patterns?: readonly Rule[];
}

type Captures = Readonly<Record<string, { readonly name?: string; readonly patterns?: readonly Rule[] }>>;

export interface Grammar {
  readonly $schema: string;
  readonly information_for_contributors: readonly string[];
  readonly name: string;
  readonly scopeName: string;
  readonly fileTypes: readonly string[];
  readonly patterns: readonly Rule[];
  readonly repository: Readonly<Record<string, Rule>>;
}

const source = (pattern: unknown): string => (pattern instanceof RegExp ? pattern.source : typeof pattern === 'string' ? pattern.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&') : '');
const NAME = source(Word.PATTERN);
const NAMES_LIST = `${NAME}(?:\\s*,\\s*${NAME})*`;

/** Patterns that the lexer has as functions. */
const WRITTEN: Readonly<Record<string, string>> = { BadString: '"[^"\\r\\n]*$', Unknown: '[^\\s\\w"+\\-*/=:,{}()\\[\\]<>.#]+' };

/** A token of the lexer as a pattern. */
const tokenRules = (): Record<string, Rule> =>
  Object.fromEntries(lexedScopes().map(([token, scope]) => [token.name, { name: scope, match: WRITTEN[token.name] ?? source(token.PATTERN) }]));

const include = (...names: readonly string[]): Rule[] => names.map((name) => ({ include: `#${name}` }));
const keyword = (word: string): Rule => ({ name: scopeOfKeyword(word), match: `\\b${word}\\b` });
const anyOf = (words: Iterable<string>): string => `\\b(?:${[...new Set(words)].sort().join('|')})\\b`;

/** All words and calls of their own that parameters take. */
const choicesOf = (params: readonly Pick<Param<unknown>, 'words' | 'calls'>[]): string[] =>
  params.flatMap(({ words = [], calls = {} }) => [...words, ...Object.keys(calls)]).filter((word) => word !== 'true' && word !== 'false');
const paramsOf = (callables: Callables): Params[string][] => Object.values(callables).flatMap(({ params }) => Object.values(params));

/** A keyword with the name that it defines. */
const defining = (word: string, name: string): Rule => ({ match: `\\b(${word})\\s+(${NAME})`, captures: { 1: { name: scopeOfKeyword(word) }, 2: { name } } });

/** From a keyword to the end of its block: a header, then statements in braces. */
const block = (word: string, header: readonly Rule[], body: string): Rule => ({
  begin: `\\b${word}\\b(?=\\s+${NAME}|\\s*\\{)`,
  beginCaptures: { 0: { name: scopeOfKeyword(word) } },
  end: '(?<=\\})',
  patterns: [...include(body, 'Comment'), ...header],
});

/** Statements in braces. Inner braces, as of repeat, hold more of them. */
const braces = (self: string, statements: readonly Rule[]): Rule => ({
  begin: '\\{',
  beginCaptures: { 0: { name: scopeOfToken('LBrace') } },
  end: '\\}',
  endCaptures: { 0: { name: scopeOfToken('RBrace') } },
  patterns: [...include('Comment', self), ...statements],
});

const bracketed = (open: 'LParen' | 'LSquare', begin: string, patterns: readonly Rule[], captures: Captures = {}): Rule => {
  const [opening, closing] = open === 'LParen' ? ['\\(', '\\)'] : ['\\[', '\\]'];
  return {
    begin: `${begin}(${opening})`,
    beginCaptures: { ...captures, [Object.keys(captures).length + 1]: { name: scopeOfToken(open) } },
    end: closing,
    endCaptures: { 0: { name: scopeOfToken(open === 'LParen' ? 'RParen' : 'RSquare') } },
    patterns: [...include('Comment'), ...patterns],
  };
};

const streamNames: Rule = { name: scopeOfName('stream'), match: NAME };

/** The grammar, as the file syntaxes/zz.tmLanguage.json holds it. Throws where the language has a token or a keyword without a scope. */
export function textMateGrammar(): Grammar {
  keywordScopes();
  const builtins = anyOf([...FUNCTION_NAMES, ...VIEW_NAMES]);
  // What is called without brackets, as after an arrow. With them it is the beginning of a call.
  const bare = `(?:(${builtins})|(${NAME})\\b)(?!\\s*\\()`;
  const words = anyOf(choicesOf([...paramsOf(FUNCTIONS), ...paramsOf(VIEW_OPERATIONS)]).filter((word) => !VIEW_NAMES.includes(word)));
  const settings = Object.keys(SETTINGS);
  const choices = anyOf(choicesOf(Object.values(SETTINGS)));
  return {
    $schema: 'https://raw.githubusercontent.com/martinring/tmlanguage/master/tmlanguage.json',
    information_for_contributors: ['This file is generated from the tables of the compiler by editor/textmate/grammar.ts: UPDATE=1 npx vitest run test/editor/grammar.test.ts'],
    name: 'ZigZag',
    scopeName: 'source.zz',
    fileTypes: ['zz'],
    patterns: include('Comment', 'import', 'net', 'String', 'BadString', 'Unknown'),
    repository: {
      ...tokenRules(),
      import: keyword('import'),
      net: block('net', [{ name: scopeOfName('net'), match: NAME }], 'net-body'),
      'net-body': braces('net-body', [
        ...['input', 'view'].map((word) => defining(word, scopeOfName('value'))),
        defining('layer', scopeOfName('layer')),
        ...include('cell', 'streams', 'twin', 'backward', 'train'),
        keyword('let'),
        { match: `\\b(output|loss)(?=\\s+[-A-Za-z_(\\d])`, name: scopeOfKeyword('loss') },
        ...include('definition', 'expression'),
      ]),
      definition: { match: `\\b${NAMES_LIST}(?=\\s*=)`, captures: { 0: { patterns: [{ name: scopeOfName('value'), match: NAME }, ...include('Comma')] } } },

      cell: block('cell', [bracketed('LParen', '', [{ name: scopeOfName('parameter'), match: NAME }, ...include('Comma')]), { name: scopeOfName('cell'), match: NAME }], 'cell-body'),
      'cell-body': braces('cell-body', [keyword('let'), ...include('definition', 'expression')]),

      streams: block('streams', [
        { match: `\\b(of)\\s+(${NAME})`, captures: { 1: { name: scopeOfKeyword('of') }, 2: { name: scopeOfName('cell') } } },
        keyword('shared'), streamNames, ...include('Comma'),
      ], 'streams-body'),
      'streams-body': braces('streams-body', [
        ...['init', 'step', 'repeat'].map((word) => keyword(word)),
        { match: '(?<=\\binit)\\s+(zeros|ones)\\b(?!\\s*\\()', captures: { 1: { name: scopeOfName('choice') } } },
        { match: `(:)\\s*(straight|zigzag)\\b`, captures: { 1: { name: scopeOfToken('Colon') }, 2: { name: scopeOfKeyword('straight') } } },
        ...include('arms', 'expression'),
      ]),
      arms: bracketed('LParen', `(?=\\(\\s*${NAME}\\s*<-)`, include('arm', 'expression')),
      arm: { match: `(${NAME})\\s*(?=<-)`, captures: { 1: { name: scopeOfName('stream') } } },

      twin: block('twin', [
        { begin: '\\bfrom\\b', beginCaptures: { 0: { name: scopeOfKeyword('from') } }, end: '(?=\\{)', patterns: include('Comment', 'expression') },
        streamNames, ...include('Comma'),
      ], 'twin-body'),
      'twin-body': braces('twin-body', [
        { match: `\\b(both)\\s+${bare}`, captures: { 1: { name: scopeOfKeyword('both') }, 2: { name: scopeOfName('builtin') }, 3: { name: scopeOfName('called') } } },
        { match: '\\b(cross)\\s+(swap|concat|add|mean)\\b', captures: { 1: { name: scopeOfKeyword('cross') }, 2: { name: scopeOfKeyword('swap') } } },
        ...['both', 'cross', 'repeat', 'shared'].map(keyword),
        // A stream and the pipe that is put on it.
        { match: `\\b(${NAMES_LIST})\\s+${bare}`, captures: { 1: { patterns: [streamNames, ...include('Comma')] }, 2: { name: scopeOfName('builtin') }, 3: { name: scopeOfName('called') } } },
        { match: `\\b${NAMES_LIST}(?=\\s+${NAME}\\s*\\()`, captures: { 0: { patterns: [streamNames, ...include('Comma')] } } },
        ...include('arms', 'expression'),
      ]),

      backward: block('backward', [], 'backward-body'),
      'backward-body': braces('backward-body', [
        { match: `\\b(grad)(?=\\s*\\(\\s*${NAME}\\s*\\)\\s*\\+?=)`, name: scopeOfKeyword('grad') },
        ...include('expression'),
      ]),

      train: block('train', [], 'train-body'),
      'train-body': braces('train-body', [
        { match: anyOf(settings), name: scopeOfName('setting') },
        bracketed('LParen', `(${choices})\\s*`, include('argument', 'expression'), { 1: { name: scopeOfName('choice') } }),
        { match: choices, name: scopeOfName('choice') },
        ...include('expression'),
      ]),

      expression: {
        patterns: [
          ...include('Comment', 'String', 'BadString', 'Number', 'BadNumber', 'target', 'initialiser', 'call'),
          bracketed('LParen', '', include('expression')),
          bracketed('LSquare', '', include('expression')),
          { match: '\\b(?:true|false)\\b', name: scopeOfKeyword('true') },
          { match: NAME, name: scopeOfName('name') },
          ...include('Arrow', 'BackArrow', 'PlusEqual', 'DotDot', 'Plus', 'Minus', 'Star', 'Slash', 'Equal', 'Colon', 'Comma', 'Unknown'),
        ],
      },
      target: { match: `(->)\\s*${bare}`, captures: { 1: { name: scopeOfToken('Arrow') }, 2: { name: scopeOfName('builtin') }, 3: { name: scopeOfName('called') } } },
      call: {
        patterns: [
          bracketed('LParen', `(${builtins}|\\bgrad\\b)\\s*`, include('argument', 'expression'), { 1: { name: scopeOfName('builtin') } }),
          bracketed('LParen', `(${NAME})\\s*`, include('argument', 'expression'), { 1: { name: scopeOfName('called') } }),
        ],
      },
      initialiser: bracketed('LParen', `\\b(normal|truncated_normal)\\s*`, include('argument', 'expression'), { 1: { name: scopeOfName('choice') } }),
      argument: {
        match: `(${NAME})\\s*(:)(?:\\s*(${words}))?`,
        captures: { 1: { name: scopeOfName('argument') }, 2: { name: scopeOfToken('Colon') }, 3: { name: scopeOfName('choice') } },
      },
    },
  };
}
