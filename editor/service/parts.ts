// A text's tree, put together from the trees of its parts: a net that an edit leaves alone is not read again, only moved.

import type { File, Net } from '../../compiler/1-syntax/ast.ts';
import { MAX_TOKENS, parse } from '../../compiler/1-syntax/parse.ts';
import type { ParseResult, Token } from '../../compiler/1-syntax/parse.ts';
import { LINE_END } from '../../compiler/diagnostics.ts';
import type { Source } from '../../compiler/diagnostics.ts';
import { lazy } from './lazy.ts';
import { movedLoc, movedSpan, withPlaces } from './tree.ts';

/** A part that was read by itself, and its tree and tokens where it stands in the text. */
interface Part {
  readonly alone: ParseResult;
  readonly at: Place;
  readonly file: File;
  readonly tokens: () => readonly Token[];
}

/** Where a part begins: the offset of its first line, and how many lines stand above. */
interface Place {
  readonly offset: number;
  readonly lines: number;
}

/** The parts of a text, by their own texts. */
export type Parts = ReadonlyMap<string, Part>;

/**
 * Parses a text as `parse` does; parts of `before` are not read again. Neither strings nor comments go over the end of a line, and a file is one import or net after the other,
 * so what is read of its parts is what is read of the whole, if the parts have no errors. With errors the whole is read, as these reach beyond a part.
 */
export function parseInParts(source: Source, before: Parts = new Map()): { readonly result: ParseResult; readonly parts: Parts } {
  // A text that may have too many tokens is read as a whole, which tells of it.
  const texts = source.text.length > MAX_TOKENS ? [source.text] : cut(source.text);
  const parts = new Map<string, Part>();
  const found: Part[] = [];
  let at: Place = { offset: 0, lines: 0 };
  for (const text of texts) {
    const known = before.get(text);
    const alone = known?.alone ?? parse({ file: source.file, text });
    const part = known && samePlace(known.at, at) ? known : placed(alone, at);
    parts.set(text, part);
    found.push(part);
    at = { offset: at.offset + text.length, lines: at.lines + (text.match(LINE_END)?.length ?? 0) };
  }
  const [first] = found;
  if (first && found.length === 1) return { result: first.alone, parts };
  const sound = found.every(({ alone: { diagnostics, file } }, i) => diagnostics.length === 0 && (i === 0 || file.imports.length === 0));
  return { result: sound ? joined(source, found) : parse(source), parts };
}

/** The text cut above every line that begins with `net`. */
const cut = (text: string): string[] => text.split(/(?<=\n)(?=net\b)/);

const samePlace = (a: Place, b: Place): boolean => a.offset === b.offset && a.lines === b.lines;

function placed(alone: ParseResult, at: Place): Part {
  const tokens = lazy(() => alone.tokens.map((token): Token => ({ ...token, span: movedSpan(token.span, at.offset) })));
  return { alone, at, file: at.offset === 0 ? alone.file : withPlaces(alone.file, (loc) => movedLoc(loc, at.offset, at.lines)), tokens };
}

function joined({ file, text }: Source, parts: readonly Part[]): ParseResult {
  const nets: Net[] = parts.flatMap((part) => part.file.nets);
  const comments = parts.flatMap((part) => part.file.comments);
  return {
    file: { imports: parts[0]?.file.imports ?? [], nets, comments, loc: { file, line: 1, column: 1, span: { start: 0, end: text.length } } },
    get tokens() {
      return parts.flatMap(({ tokens }) => tokens());
    },
    diagnostics: [],
  };
}
