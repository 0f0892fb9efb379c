// What may be typed at an offset: statements, operations, names, arguments and their values, settings, files.

import { EACH, netCallable } from './names.ts';
import type { Callable, Definition, Taking } from './names.ts';
import { VIEW_OPERATIONS } from '../../compiler/2-graph/build/view-operations.ts';
import type { Params } from '../../compiler/2-graph/build/arguments.ts';
import { FUNCTIONS } from '../../compiler/2-graph/functions.ts';
import { SETTINGS } from '../../compiler/2-graph/build.ts';
import type { Span } from '../../compiler/diagnostics.ts';
import type { Analysis } from './analysis.ts';
import { netAt } from './analysis.ts';
import { contextAt } from './context.ts';
import type { Context, Place } from './context.ts';
import { activeCalls, libraryOf, settingOf, visibleAt } from './scope.ts';
import type { ActiveCall } from './scope.ts';
import { FORMS, parameterList, signature, STATEMENTS, takes } from './words.ts';
import type { Statement } from './words.ts';

export type CompletionKind = 'keyword' | 'function' | 'layer' | 'net' | 'cell' | 'value' | 'stream' | 'argument' | 'setting' | 'choice' | 'file' | 'folder';

export interface Completion {
  readonly label: string;
  readonly kind: CompletionKind;
  /** Beside the label: a signature, a shape. */
  readonly detail?: string;
  /** Markdown. */
  readonly about?: string;
  /** What is inserted in place of what has been typed, with `${1:places}` to fill in. */
  readonly snippet: string;
}

export interface Completions {
  /** What has been typed so far. */
  readonly span: Span;
  readonly items: readonly Completion[];
}

/** Names of the .zz files and folders in a folder, folders with a `/` at their end. Seen from the file that is edited. */
export type ListFiles = (folder: string) => readonly string[];

/** All that may stand at an offset, whether or not it begins with what has been typed: clients filter in their own ways. */
export function completionsAt(analysis: Analysis, offset: number, files: ListFiles = () => []): Completions {
  const context = contextAt(analysis, offset);
  const at: At = { analysis, context, offset, files };
  const items = PLACES[context.place](at);
  return { span: typedSpan(at), items: unique(items) };
}

/** In a path only the last part is replaced. */
function typedSpan({ analysis, context: { place, typed } }: At): Span {
  if (place !== 'import path' && place !== 'dataset path') return typed;
  const slash = analysis.source.text.slice(typed.start, typed.end).lastIndexOf('/');
  return { start: typed.start + slash + 1, end: typed.end };
}

interface At {
  readonly analysis: Analysis;
  readonly context: Context;
  readonly offset: number;
  readonly files: ListFiles;
}

const unique = (items: readonly Completion[]): Completion[] => [...new Map(items.map((item) => [item.label, item])).values()];

const PLACES: { readonly [P in Place]: (at: At) => readonly Completion[] } = {
  nothing: () => [],
  statement: (at) => statements(at),
  expression: (at) => [...values(at), ...functions(at, 0)],
  target: (at) => (at.context.view ? augmentations() : functions(at, 1)),
  argument: (at) => [...argumentNames(at), ...argumentValues(at)],
  'argument value': (at) => argumentValues(at),
  shape: () => [{ label: '[32, 32, 3]', kind: 'choice', snippet: '[${1:32, 32, 3}]', about: 'Height, width and channels.' }],
  route: (at) => [...forms(FORMS.route), allArms(at)],
  arm: (at) => at.context.streams.filter((name) => !at.context.given.includes(name)).map((name) => ({ label: name, kind: 'stream', snippet: `${name} <- $0` })),
  cross: (at) => [...forms(FORMS.cross), allArms(at)],
  cell: (at) => cells(at),
  'value name': (at) => values(at),
  'setting value': ({ context }) => choices(settingOf(context.setting), context.setting ?? ''),
  'import path': (at) => paths(at),
  'dataset path': (at) => paths(at),
  header: ({ context: { header } }) => forms(FORMS.other.filter(({ word }) => headerWord(header) === word)),
};

const headerWord = (header: Context['header']): string => (header?.keyword === 'twin' ? 'from' : header?.has.includes('of') ? 'shared' : 'of');

const forms = (all: readonly Statement[]): Completion[] => all.map(({ word, snippet, summary }) => ({ label: word, kind: 'keyword', about: summary, snippet }));

/** An arm for every stream, to be changed. */
const allArms = ({ context: { streams } }: At): Completion => {
  const names = streams.length > 0 ? streams : ['L', 'R'];
  return {
    label: `(${names[0] ?? 'L'} <- …)`,
    kind: 'keyword',
    about: 'Any expression of the streams, one arm for each.',
    snippet: `(${names.map((name, i) => `${name} <- \${${i + 1}:${name}}`).join(', ')})`,
  };
};

function statements(at: At): readonly Completion[] {
  const { block, given, streams, stageEnded } = at.context;
  const words = forms(STATEMENTS[block]);
  if (block === 'train') return settings(given);
  // The last expression of a cell is its new state.
  if (block === 'cell') return [...words, ...values(at), ...functions(at, 0)];
  if (block === 'twin') return [...words, ...streams.map((name): Completion => ({ label: name, kind: 'stream', snippet: `${name} $0`, about: 'A pipeline on this stream alone.' })), ...(stageEnded ? forms(FORMS.other.filter(({ word }) => word === 'shared')) : [])];
  return words;
}

const settings = (given: readonly string[]): Completion[] =>
  Object.entries(SETTINGS)
    .filter(([key]) => !given.includes(key))
    .map(([key, setting]) => ({ label: key, kind: 'setting', detail: setting.takes, about: setting.summary, snippet: `${key} $0` }));

/** The words and calls of its own that an argument or a setting takes. */
function choices(taking: Taking | undefined, of: string): Completion[] {
  const words = (taking?.words ?? []).map((label): Completion => ({ label, kind: 'choice', detail: of, snippet: label }));
  const calls = Object.entries(taking?.calls ?? {}).map(([name, choice]) => calling({ name, ...choice }, 'choice', 0));
  return [...words, ...calls];
}

const KINDS: { readonly [K in Definition['kind']]: CompletionKind } = { net: 'net', input: 'value', view: 'value', value: 'value', layer: 'layer', cell: 'cell', parameter: 'value', stream: 'stream' };

/** Values in scope, with their shapes; not what the statement itself defines. */
function values({ analysis, context, offset }: At, wanted: (definition: Definition) => boolean = isValue(context)): Completion[] {
  const net = netAt(analysis, offset);
  const { streams, inStreams, statement = Infinity } = context;
  const named = visibleAt(analysis, context, offset).filter((each) => wanted(each) && each.loc.span.start < statement && !streams.includes(each.name));
  const around = inStreams ? streams.map((name): Completion => ({ label: name, kind: 'stream', snippet: name })) : [];
  return [...around, ...named.map((definition): Completion => {
    const shown = net ? analysis.facts(net).at(definition.loc).join(' or ') : '';
    return { label: definition.name, kind: KINDS[definition.kind], detail: shown === '' ? definition.kind : shown, snippet: definition.name };
  })];
}

const isValue = ({ view }: Context) => ({ kind }: Definition): boolean => kind === 'input' || kind === 'view' || (!view && (kind === 'value' || kind === 'parameter' || kind === 'stream'));

/** Functions, layers and nets; `piped` of their arguments are given before. */
function functions(at: At, piped: 0 | 1): Completion[] {
  if (at.context.view) return augmentations();
  const { statement = Infinity } = at.context;
  const layers = visibleAt(at.analysis, at.context, at.offset).filter(({ kind, loc }) => kind === 'layer' && loc.span.start < statement);
  const nets = [...libraryOf(at.analysis).nets.values()].filter(({ net }) => net !== netAt(at.analysis, at.offset));
  const grad = at.context.block === 'backward' ? [{ label: 'grad', kind: 'function', detail: 'grad(name)', about: 'The adjoint of a named value.', snippet: 'grad(${1:name})' } as const] : [];
  return [
    ...grad,
    ...layers.map(({ name }): Completion => ({ label: name, kind: 'layer', detail: 'layer', snippet: piped ? name : `${name}(\${1:x})` })),
    ...nets.map(({ net }) => calling(netCallable(net), 'net', piped)),
    ...Object.entries(FUNCTIONS).map(([name, { params, summary }]) => calling({ name, params, summary }, 'function', piped)),
  ];
}

const augmentations = (): Completion[] => [
  ...Object.entries(VIEW_OPERATIONS).map(([name, { params, summary }]) => calling({ name, params, summary }, 'function', 0)),
  { label: 'each', kind: 'function', detail: 'each(...readings)', about: EACH, snippet: 'each($0)' },
];

/** A call with the arguments that must be given left to fill in. */
function calling({ name, params, summary }: Pick<Callable, 'name' | 'params' | 'summary'>, kind: CompletionKind, piped: 0 | 1): Completion {
  const left = Object.entries(params).slice(piped);
  const needed = left.filter(([, { fallback }]) => !fallback);
  const filled = needed.map(([each, { rest }], i) => (rest ? `$${i + 1}` : `\${${i + 1}:${each}}`)).join(', ');
  // A call without arguments needs no brackets after an arrow, nor where words are taken.
  const bare = needed.length === 0 && (piped === 1 || kind === 'choice');
  const about = [summary, parameterList(params)].filter(Boolean).join('\n\n');
  return { label: name, kind, detail: signature(name, params).label, ...(about !== '' && { about }), snippet: bare ? name : `${name}(${filled})` };
}

const innermost = ({ analysis, context, offset }: At): ActiveCall | undefined => activeCalls(analysis, context, offset).at(-1);

/** The names of arguments that have not been given. */
function argumentNames(at: At): Completion[] {
  const call = innermost(at);
  const left = Object.entries(call?.callable.params ?? ({} as Params)).filter(([name, { tensor }]) => !call?.taken.includes(name) && !tensor);
  return left.map(([name, param]) => ({ label: `${name}:`, kind: 'argument', detail: param.fallback?.shown ?? '', about: takes(param), snippet: `${name}: $0` }));
}

function argumentValues(at: At): Completion[] {
  const call = innermost(at);
  const own = choices(call?.param?.[1], call?.param?.[0] ?? '');
  const { view, block } = at.context;
  if (view) return [...own, ...(call === undefined || call.param === undefined ? [...values(at), ...augmentations()] : [])];
  if (block === 'train') return own;
  const open = call?.param === undefined || call.param[1].tensor === true;
  return [...own, ...(open ? [...values(at), ...functions(at, 0)] : values(at, ({ number }) => number))];
}

function cells({ analysis, context, offset }: At): Completion[] {
  const own = visibleAt(analysis, context, offset).filter(({ kind }) => kind === 'cell').map(({ name }) => name);
  return [...own, ...libraryOf(analysis).cells.keys()].map((name) => ({ label: name, kind: 'cell', snippet: name }));
}

/** Files and folders at the path that has been typed. */
function paths({ analysis, context: { typed, place }, files }: At): Completion[] {
  const path = analysis.source.text.slice(typed.start, typed.end);
  return files(path.slice(0, path.lastIndexOf('/') + 1))
    .filter((name) => name.endsWith('/') || place === 'import path')
    .map((name) => ({ label: name, kind: name.endsWith('/') ? 'folder' : 'file', snippet: name }));
}
