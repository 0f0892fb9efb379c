// What the editor says of the place under the pointer: what it is, its shape, its weights, where it is defined.

import type { Net } from '../../compiler/1-syntax/ast.ts';
import { DEFAULT_SETTINGS } from '../../compiler/2-graph/build.ts';
import type { Loc, Span } from '../../compiler/diagnostics.ts';
import type { Analysis } from './analysis.ts';
import { netAt } from './analysis.ts';
import { remarksAbove } from './comments.ts';
import { countWeights } from './facts.ts';
import type { Facts } from './facts.ts';
import { occurrenceAt } from './names.ts';
import type { Builtin, Definition, Occurrence } from './names.ts';
import { settingOf } from './scope.ts';
import { tokensAt } from './token-list.ts';
import { isExpression, pathAt } from './tree.ts';
import { keyword, parameterList, signature, takes } from './words.ts';

export interface Hover {
  /** What it is about. */
  readonly span: Span;
  /** Markdown. */
  readonly text: string;
}

/** Nothing where nothing is to be said. */
export function hoverAt(analysis: Analysis, offset: number): Hover | undefined {
  const found = occurrenceAt(analysis.names, offset);
  const net = netAt(analysis, offset);
  const facts = net && analysis.facts(net);
  if (found?.meaning) {
    const text = 'definition' in found.meaning ? ofDefinition(analysis, found, found.meaning.definition, net, facts) : ofBuiltin(analysis, found, found.meaning.builtin, facts);
    return { span: found.loc.span, text };
  }
  return ofKeyword(analysis, offset) ?? ofExpression(analysis, offset, facts);
}

const code = (text: string): string => `\`\`\`zz\n${text}\n\`\`\``;
const paragraphs = (...parts: readonly (string | undefined)[]): string => parts.filter((part) => part !== undefined && part !== '').join('\n\n');
/** Shapes that differ between streams or steps stand beside each other; of many, the first. */
const shapes = (all: readonly string[]): string => (all.length > 3 ? `${all.slice(0, 3).join(' or ')} or …` : all.join(' or '));

const KINDS: { readonly [K in Definition['kind']]: string } = {
  net: 'A net', input: 'An input', view: 'A view of an input', value: 'A value', layer: 'A layer', cell: 'A cell', parameter: 'A parameter', stream: 'A stream',
};

function ofDefinition(analysis: Analysis, { loc, defines }: Occurrence, definition: Definition, net: Net | undefined, facts: Facts | undefined): string {
  const { kind, name, owner, node: of } = definition;
  const own = facts?.at(definition.loc) ?? [];
  // Of a layer or a net, what it gives here.
  const here = defines ? [] : (facts?.at(loc) ?? []);
  const called = kind === 'layer' || kind === 'net';
  const shown = shapes(here.length > 0 && !called ? here : own);
  const local = definition.loc.file === analysis.source.file;
  const text = local ? analysis.source.text : analysis.program.files.find(({ source }) => source.file === definition.loc.file)?.source.text;
  const heads: { readonly [K in Definition['kind']]: () => string } = {
    net: () => `net ${name}(${inputNames(definition)})`,
    input: () => `input ${name}${shown && `: ${shown}`}`,
    view: () => `view ${name}${shown && `: ${shown}`}`,
    value: () => `${name}${shown && `: ${shown}`}`,
    layer: () => firstLine(text, definition.node.loc),
    cell: () => ('params' in definition.node ? `cell ${name}(${definition.node.params.map((param) => param.name).join(', ')})` : `cell ${name}`),
    parameter: () => `${name}${shown && `: ${shown}`}`,
    stream: () => `stream ${name}${shown && `: ${shown}`}`,
  };
  const inNet = owner && 'items' in owner && owner !== net ? ` of net ${owner.name.name}` : '';
  const inCell = owner && 'params' in owner ? ` of cell ${owner.name.name}` : '';
  const stream = kind === 'stream' && 'cell' in of ? `, of the cell ${of.cell.name}` : '';
  const what = `${KINDS[kind]}${inNet}${inCell}${stream}.`;
  const weights = 'items' in of ? local && weightsOfNet(analysis, of) : facts && weightsOf(definition, facts);
  const place = defines ? undefined : `Defined in ${local ? '' : `${definition.loc.file}, `}line ${definition.loc.line}.`;
  const gives = called && here.length > 0 ? `Gives \`${shapes(here)}\` here.` : undefined;
  const remarks = text === undefined || kind === 'parameter' ? undefined : remarksAbove(local ? analysis.comments : [], text, of.loc);
  return paragraphs(code(heads[kind]()), remarks, [what, gives, weights && `${weights}.`, place].filter(Boolean).join(' '));
}

const inputNames = ({ node }: Definition): string => ('items' in node ? node.items.flatMap((item) => (item.kind === 'input' ? [item.name.name] : [])).join(', ') : '');

const firstLine = (text: string | undefined, { span }: Loc): string => /^[^\r\n]*/.exec(text?.slice(span.start, span.end) ?? '')?.[0] ?? '';

/** All weights of a net, those of nets that it uses included. */
function weightsOfNet({ graph }: Analysis, net: Net): string | undefined {
  const nodes = graph(net)?.nodes ?? [];
  return countWeights(new Map(nodes.flatMap((node) => (node.kind === 'weight' ? [[node.id, node.attrs.shape] as const] : []))));
}

function weightsOf({ kind, name, node }: Definition, facts: Facts): string | undefined {
  if (kind === 'layer' || kind === 'cell') return countWeights(facts.weightsIn(node.loc));
  // A stream's weights carry its name: `w.L.1`.
  return kind === 'stream' ? countWeights(new Map([...facts.weights].filter(([id]) => id.split('.')[1] === name))) : undefined;
}

function ofBuiltin(analysis: Analysis, { loc }: Occurrence, builtin: Builtin, facts: Facts | undefined): string {
  const { kind, name, of, summary, params, param } = builtin;
  if (kind === 'argument') return paragraphs(code(`${name}: ${param?.fallback?.shown ?? '…'}`), `Argument of \`${of ?? ''}\`: ${param ? takes(param) : ''}.`);
  if (kind === 'setting') {
    const setting = settingOf(name);
    return paragraphs(code(name), summary, setting && `Takes ${setting.takes}; \`${defaultOf(setting.field)}\` where it is left out.`, setting?.calls && Object.entries(setting.calls).map(([each, choice]) => `- \`${signature(each, choice.params).label}\`: ${choice.summary}`).join('\n'));
  }
  if (kind === 'choice' && params === undefined) return paragraphs(code(name), `For \`${of ?? ''}\`, which takes ${param?.takes ?? ''}.`);
  const call = pathAt(analysis.ast, loc.span.start).findLast((node) => node.kind === 'call' && node.loc.span.start === loc.span.start);
  const gives = shapes(facts?.at(call?.loc ?? loc) ?? []);
  const weights = facts && countWeights(facts.weightsOf(call?.loc ?? loc));
  const here = [gives && `Gives \`${gives}\` here`, weights].filter(Boolean).join(', with ');
  return paragraphs(code(signature(name, params ?? {}).label), summary, here && `${here}.`, parameterList(params ?? {}));
}

/** A setting's default as it would be written. */
function defaultOf(field: keyof typeof DEFAULT_SETTINGS): string {
  const value = DEFAULT_SETTINGS[field];
  if (typeof value !== 'object') return String(value);
  const { kind, ...args } = value;
  const given = Object.entries(args).map(([name, each]) => `${name}: ${String(each)}`);
  return given.length === 0 ? kind : `${kind}(${given.join(', ')})`;
}

/** The words of the grammar, known by their roles. */
function ofKeyword({ tokens, source: { text } }: Analysis, offset: number): Hover | undefined {
  const token = tokensAt(tokens, text, offset).find(({ type }) => type !== 'Word');
  const found = token && /^\w+$/.test(token.text) ? keyword(token.text) : undefined;
  return token && found && { span: token.span, text: paragraphs(code(token.text), found.summary) };
}

/** The shape of the innermost expression; between two links of a chain, of what flows. */
function ofExpression(analysis: Analysis, offset: number, facts: Facts | undefined): Hover | undefined {
  const innermost = pathAt(analysis.ast, offset).findLast(isExpression);
  if (!innermost || !facts || innermost.kind === 'number') return undefined;
  const flows = innermost.kind === 'flow' && innermost.value.loc.span.end <= offset && offset < innermost.target.loc.span.start;
  const { loc } = flows ? innermost.value : innermost;
  const found = shapes(facts.at(loc));
  return found === '' ? undefined : { span: { start: loc.span.start, end: flows ? innermost.target.loc.span.start : loc.span.end }, text: code(found) };
}
