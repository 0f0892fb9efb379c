// The formatter: a syntax tree in its canonical form, with the comments of its source.

import { hasErrors } from '../diagnostics.ts';
import type { Diagnostic, Loc, Source } from '../diagnostics.ts';
import type { Arg, Arm, Binary, Call, Expr, File, Ident, Item, Let, Name, Stage, Stepping, Value } from './ast.ts';
import { before, broken, comment, group, hardline, indent, later, layout, line, softline, wide } from './layout.ts';
import type { Doc } from './layout.ts';
import { parse } from './parse.ts';
import { RESERVED } from './tokens.ts';

const WIDTH = 100;

/** Formats a text; one with syntax errors is left alone. */
export function formatSource(source: Source): { readonly text?: string; readonly diagnostics: readonly Diagnostic[] } {
  const { file, diagnostics } = parse(source);
  return hasErrors(diagnostics) ? { diagnostics } : { text: formatFile(file, source), diagnostics };
}

/** A statement, from where its text begins to where it ends. Documents are made in the order of the text, as comments are taken from a list. */
interface Entry {
  readonly loc: Loc;
  readonly doc: () => Doc;
}

/**
 * The canonical form of a tree without holes. Reading it gives an equal tree, places and needless parentheses apart, and formatting it again the same text.
 * The source serves to place comments and blank lines, and to keep the line ends of a long chain and of a block in braces; without one (an empty text) there are none.
 */
export function formatFile(file: File, source: Source): string {
  const { text } = source;
  let taken = 0;

  const takeNothing = (offset: number): boolean => (file.comments[taken]?.loc.span.start ?? Infinity) >= offset;
  /** The comments before an offset that have not been printed. */
  const takeBefore = (offset: number) => {
    const from = taken;
    while ((file.comments[taken]?.loc.span.start ?? Infinity) < offset) taken++;
    return file.comments.slice(from, taken);
  };
  const isOwn = (loc: Loc): boolean => text.slice(loc.span.start - loc.column + 1, loc.span.start).trim() === '';
  const comments = (offset: number): Doc => (takeNothing(offset) ? '' : takeBefore(offset).map(({ text: words, loc }) => comment(words, isOwn(loc))));
  const isBlankBetween = (start: number, end: number): boolean => /\n[^\S\n]*\r?\n/.test(text.slice(start, end));
  const isBrokenBetween = (start: number, end: number): boolean => /[\r\n]/.test(text.slice(start, end));

  const leaf = (loc: Loc, words: string): Doc => [comments(loc.span.start), words];
  const ident = ({ name, loc }: Ident): Doc => leaf(loc, name);
  const list = <T extends { readonly loc: Loc }>(parts: readonly T[], doc: (part: T) => Doc): Doc =>
    parts.map((part, i) => [comments(part.loc.span.start), i === 0 ? '' : ' ', doc(part), i < parts.length - 1 ? ',' : '']);
  /** A list in brackets: on one line, or one part a line. */
  const bracketed = <T extends { readonly loc: Loc }>(open: string, parts: readonly T[], doc: (part: T) => Doc, close: string, end: number): Doc =>
    parts.length === 0 && takeNothing(end)
      ? open + close
      : group(open, indent(parts.map((part, i) => [comments(part.loc.span.start), i === 0 ? softline : line, doc(part), i < parts.length - 1 ? ',' : '']), comments(end - 1)), softline, close);

  const expr = (e: Expr, least = 0): Doc => (precedence(e) < least ? ['(', bare(e), ')'] : bare(e));
  const bare = (e: Expr): Doc => {
    switch (e.kind) {
      case 'number':
        return leaf(e.loc, e.text);
      case 'name':
        return leaf(e.loc, e.name);
      case 'index':
        return [ident(e.stream), `[${e.index}]`];
      case 'call':
        return call(e);
      case 'negate':
        return [comments(e.loc.span.start), '-', expr(e.value, ATOM)];
      case 'binary':
        return chain(e, (part) => (part.kind === 'binary' && precedence(part) === precedence(e) ? part : undefined), (part) => part.left, (part) => part.right, binaryStep, precedence(e));
      case 'flow':
        return chain(e, (part) => (part.kind === 'flow' ? part : undefined), (part) => part.value, (part) => part.target, (part) => ['-> ', target(part.target)], ATOM);
    }
  };
  const binaryStep = (part: Binary): Doc => [`${part.op} `, expr(part.right, precedence(part) + 1)];

  /** A chain that leans to the left, without recursion along it: its head, then a step for each link, as many on a line as fit. */
  const chain = <L extends Expr>(e: L, link: (part: Expr) => L | undefined, inner: (part: L) => Expr, outer: (part: L) => Expr, step: (part: L) => Doc, least: number): Doc => {
    const links: L[] = [];
    let head: Expr = e;
    for (let part = link(head); part !== undefined; part = link(head)) {
      links.push(part);
      head = inner(part);
    }
    links.reverse();
    const first = expr(head, least);
    const steps = links.map((part) => {
      const [end, start] = [inner(part).loc.span.end, outer(part).loc.span.start];
      const above = comments(start);
      const doc = step(part);
      return [above, isBrokenBetween(end, start) ? [line, doc] : before(doc)];
    });
    return group(first, indent(steps));
  };

  const target = (to: Call | Name): Doc => (to.kind === 'call' ? call(to) : leaf(to.loc, to.name));
  const call = ({ callee, args, loc }: Call): Doc => [ident(callee), bracketed('(', args, arg, ')', loc.span.end)];
  const arg = ({ name, value: given }: Arg): Doc => [name === undefined ? '' : [ident(name), ': '], value(given)];
  const value = (v: Value): Doc => {
    switch (v.kind) {
      case 'string':
        return leaf(v.loc, `"${v.value}"`);
      case 'boolean':
        return leaf(v.loc, String(v.value));
      case 'range':
        return [comments(v.loc.span.start), v.low.text, '..', v.high.text];
      case 'list':
        return bracketed('[', v.items, value, ']', v.loc.span.end);
      case 'name':
        // The names `true` and `false`, which are values where a value may stand.
        return v.name === 'true' || v.name === 'false' ? ['(', expr(v), ')'] : expr(v);
      default:
        return expr(v);
    }
  };

  /** Statements one below the other, with their comments and single blank lines. */
  const statements = (entries: readonly Entry[], end: number, first: Doc, between: Doc, turn: (doc: () => Doc) => Doc = (doc) => doc()): Doc => {
    let last: number | undefined;
    const separate = (start: number): Doc => (last === undefined ? first : isBlankBetween(last, start) ? [hardline, hardline] : between);
    const remarks = (offset: number): Doc =>
      takeBefore(offset).map(({ text: words, loc }) => {
        const own = isOwn(loc);
        const doc = [own ? separate(loc.span.start) : '', comment(words, own)];
        if (own || last !== undefined) last = loc.span.end;
        return doc;
      });
    const statement = ({ loc, doc }: Entry): Doc => {
      const shown = [remarks(loc.span.start), separate(loc.span.start), doc()];
      last = loc.span.end;
      return shown;
    };
    return [...entries.map((each) => turn(() => statement(each))), turn(() => remarks(end))];
  };
  /** A block stays on one line if it was written so and fits, unless it is a net. */
  const block = (entries: readonly Entry[], loc: Loc, always = false): Doc => {
    const [first] = entries;
    const start = first?.loc.span.start ?? loc.span.end;
    const brace = text.lastIndexOf('{', start - 1);
    const opens = always || (brace >= 0 && isBrokenBetween(brace, start));
    if (entries.length === 0 && takeNothing(loc.span.end)) return '{}';
    const body: Doc = ['{', indent(statements(entries, loc.span.end, line, wide, always ? later : undefined)), line, '}'];
    return opens ? broken(body) : group(body);
  };
  const entry = <T extends { readonly loc: Loc }>(part: T, doc: (part: T) => Doc): Entry => ({ loc: part.loc, doc: () => doc(part) });

  const lets = ({ names, keyword, value: given }: Let, parenthesised = false): Doc => [
    keyword || RESERVED.has(names[0]?.name ?? '') ? 'let ' : '',
    list(names, ident),
    ' = ',
    parenthesised ? ['(', expr(given), ')'] : expr(given),
  ];
  const arms = (parts: readonly Arm[], end: number): Doc => bracketed('(', parts, ({ stream, value: given }) => [ident(stream), ' <- ', expr(given)], ')', end);
  const stepping = (part: Stepping): Doc => {
    if (part.kind === 'repeat') return [`repeat ${part.count.text} `, block(part.body.map((inner) => entry(inner, stepping)), part.loc)];
    const { route } = part;
    return ['step ', expr(part.value), ': ', route.form === 'arms' ? arms(route.arms, route.loc.span.end) : leaf(route.loc, route.form)];
  };
  const stage = (part: Stage): Doc => {
    if (part.kind === 'repeat') return [`repeat ${part.count.text} `, block(part.body.map((inner) => entry(inner, stage)), part.loc)];
    if (part.kind === 'cross') return ['cross ', part.form === 'arms' ? arms(part.arms, part.loc.span.end) : part.form];
    const [first, ...others] = part.pipe;
    const names = part.streams === 'both' ? 'both' : list(part.streams, ident);
    const head = first === undefined ? '' : target(first);
    let last = first;
    const steps = others.map((to) => {
      const [end, start] = [last?.loc.span.end ?? 0, to.loc.span.start];
      last = to;
      const above = comments(start);
      const doc: Doc = ['-> ', target(to)];
      return [above, isBrokenBetween(end, start) ? [line, doc] : before(doc)];
    });
    return [names, ' ', group(head, indent(steps)), part.shared ? ' shared' : ''];
  };

  const item = (part: Item): Doc => {
    switch (part.kind) {
      case 'input':
        return ['input ', ident(part.name), ': ', bracketed('[', part.shape, (size) => leaf(size.loc, size.text), ']', part.loc.span.end)];
      case 'view':
        return ['view ', ident(part.name), ' = ', expr(part.value)];
      case 'let':
        return lets(part);
      case 'layer':
        return ['layer ', ident(part.name), ' = ', call(part.value)];
      case 'cell': {
        const { body, result } = part;
        const last = body.at(-1);
        // Side by side with the let before it, `-h` would be subtracted and `(h)` an argument.
        const guarded = last !== undefined && leftmost(result) === '-';
        const opened = guarded || leftmost(result) === '(';
        const entries = [
          ...body.map((inner) => entry(inner, () => lets(inner, opened && inner === last && endsInName(inner.value)))),
          entry(result, () => (guarded ? ['(', expr(result), ')'] : expr(result))),
        ];
        return ['cell ', ident(part.name), '(', list(part.params, ident), ') ', block(entries, part.loc)];
      }
      case 'streams': {
        const { init } = part;
        const entries = [...(init === undefined ? [] : [entry(init, () => ['init ', expr(init)])]), ...part.steps.map((inner) => entry(inner, stepping))];
        return ['streams ', list(part.names, ident), ' of ', ident(part.cell), part.shared ? ' shared ' : ' ', block(entries, part.loc)];
      }
      case 'twin':
        return ['twin ', list(part.names, ident), ' from ', list(part.from, (from) => expr(from)), ' ', block(part.stages.map((inner) => entry(inner, stage)), part.loc)];
      case 'backward':
        return ['backward ', block(part.routes.map((route) => entry(route, () => ['grad(', ident(route.target), `) ${route.mode} `, expr(route.value)])), part.loc)];
      case 'output':
        return ['output ', ident(part.name), part.value === undefined ? '' : [' = ', expr(part.value)]];
      case 'loss':
        return ['loss ', expr(part.value)];
      case 'train':
        return ['train ', block(part.settings.map((setting) => entry(setting, () => [ident(setting.key), ' ', value(setting.value)])), part.loc)];
    }
  };

  const entries: Entry[] = [
    ...file.imports.map((part) => entry(part, () => ['import ', `"${part.path}"`])),
    ...file.nets.map((net) => entry(net, () => ['net ', ident(net.name), ' ', block(net.items.map((inner) => entry(inner, item)), net.loc, true)])),
  ];
  const printed = layout(broken(statements(entries, Infinity, '', hardline, later)), WIDTH).trim();
  return printed === '' ? '' : `${printed}\n`;
}

const ATOM = 4;

function precedence(e: Expr): number {
  if (e.kind === 'binary') return e.op === '+' || e.op === '-' ? 1 : 2;
  return e.kind === 'flow' ? 3 : ATOM;
}

/** The character that the text of an expression begins with, if it is a minus or a parenthesis. */
function leftmost(e: Expr): '-' | '(' | undefined {
  let part: Expr = e;
  for (;;) {
    if (part.kind === 'negate') return '-';
    const inner: Expr | undefined = part.kind === 'binary' ? part.left : part.kind === 'flow' ? part.value : undefined;
    if (inner === undefined) return undefined;
    if (precedence(inner) < (part.kind === 'flow' && inner.kind !== 'flow' ? ATOM : precedence(part))) return '(';
    part = inner;
  }
}

/** Whether the text of an expression ends in a name, which a parenthesis after it would make a call. */
function endsInName(e: Expr): boolean {
  let part: Expr = e;
  for (;;) {
    if (part.kind === 'name') return true;
    if (part.kind === 'flow') return part.target.kind === 'name';
    if (part.kind === 'binary' && precedence(part.right) > precedence(part)) part = part.right;
    else if (part.kind === 'negate' && precedence(part.value) === ATOM) part = part.value;
    else return false;
  }
}
