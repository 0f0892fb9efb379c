// What the build of each net found out, kept from one text to the next: a net is built again only where an edit may have changed what it means.
// Kept for the place where it was built; whoever asks at another place gets answers that are moved.

import type { Net } from '../../compiler/1-syntax/ast.ts';
import { checkNet } from '../../compiler/2-graph/build.ts';
import type { CheckedNet, LoadedFile, Program } from '../../compiler/2-graph/build.ts';
import { mayBeRefused, passErrors } from '../../compiler/check.ts';
import type { Diagnostic, Loc } from '../../compiler/diagnostics.ts';
import { hasErrors } from '../../compiler/diagnostics.ts';
import { collectFacts } from './facts.ts';
import type { Facts } from './facts.ts';
import { lazy, once } from './lazy.ts';
import { movedLoc, withPlaces } from './tree.ts';

export interface BuiltNet {
  readonly checked: CheckedNet;
  readonly facts: Facts;
  readonly passErrors: () => readonly Diagnostic[];
}

export interface Builds {
  /** Of a net of the main file. */
  readonly of: (net: Net) => BuiltNet;
  /** For the next text. */
  readonly kept: Kept;
}

interface Kept {
  /** What nets besides their texts depend on. */
  readonly surroundings: string;
  /** By the text of a net, the names in it that are those of nets. */
  readonly mentions: ReadonlyMap<string, readonly string[]>;
  /** By the texts of a net and of those that it uses. */
  readonly builds: ReadonlyMap<string, { readonly built: BuiltNet; readonly reads: readonly Net[] }>;
}

const NOTHING: Kept = { surroundings: '', mentions: new Map(), builds: new Map() };

/**
 * Builds of a program's nets, each made when it is first asked for. Those of `before` are used again where all that a net's meaning depends on is the same;
 * not while there are syntax errors, as these can change how the text after them is read.
 */
export function buildsOf(program: Program, before = NOTHING): Builds {
  const { main } = program;
  if (!main || hasErrors(program.diagnostics)) return { of: once((net) => build(program, net)), kept: before };
  const surroundings = surroundingsOf(program, main);
  const known = surroundings === before.surroundings ? before : NOTHING;
  const mentions = new Map<string, readonly string[]>();
  const mentioned = (text: string): readonly string[] => {
    const found = mentions.get(text) ?? known.mentions.get(text) ?? [...wordsOf(text)].filter((word) => main.library.nets.has(word));
    mentions.set(text, found);
    return found;
  };
  const texts = once(textsOf(main, mentioned));
  const builds = new Map(main.ast.nets.flatMap((net) => {
    const { key } = texts(net);
    const found = known.builds.get(key);
    return found ? [[key, found] as const] : [];
  }));
  const of = once((net: Net) => {
    const { key, reads } = texts(net);
    const found = builds.get(key);
    if (found) return moved(found.built, found.reads.map((from, i) => ({ from, to: reads[i] ?? net })));
    const built = build(program, net);
    builds.set(key, { built, reads });
    return built;
  });
  return { of, kept: { surroundings, mentions, builds } };
}

function build(program: Program, net: Net): BuiltNet {
  const { observer, facts } = collectFacts();
  const { graph, ...checked } = checkNet(program, net, observer);
  // Graphs are as large as all else that is known of a text, and are kept only where passes may refuse something.
  const routed = graph && mayBeRefused(graph) ? graph : undefined;
  return { checked, facts, passErrors: routed ? lazy(() => passErrors(routed)) : () => [] };
}

/** The imported texts, and the names that the main file knows: errors propose them. */
function surroundingsOf({ files }: Program, { source, library }: LoadedFile): string {
  const others = files.filter((file) => file.source !== source).flatMap((file) => [file.source.file, file.source.text]);
  return [source.file, [...library.nets.keys()].join(' '), [...library.cells.keys()].join(' '), ...others].join('\0');
}

interface Texts {
  readonly key: string;
  /** The net and those of its file that it may use, in the order in which their texts name them. */
  readonly reads: readonly Net[];
}

function textsOf({ source, library }: LoadedFile, mentioned: (text: string) => readonly string[]): (net: Net) => Texts {
  const textOf = ({ loc: { span } }: Net): string => source.text.slice(span.start, span.end);
  return (net) => {
    const reads = new Set([net]);
    // A set also gives what is added while it is walked.
    for (const each of reads) {
      for (const name of mentioned(textOf(each))) {
        const found = library.nets.get(name)?.net;
        if (found?.loc.file === source.file) reads.add(found);
      }
    }
    return { key: [...reads].map(textOf).join('\0'), reads: [...reads] };
  };
}

const wordsOf = (text: string): ReadonlySet<string> => new Set(text.match(/[A-Za-z_]\w*/g));

interface Move {
  readonly from: Net;
  readonly to: Net;
}

/** A build of nets that stand elsewhere now. */
function moved({ checked, facts, passErrors }: BuiltNet, moves: readonly Move[]): BuiltNet {
  const back = moves.map((move): Move => ({ from: move.to, to: move.from }));
  const found = (all: readonly Diagnostic[]): readonly Diagnostic[] => withPlaces(all, (loc) => movedInNet(loc, moves));
  const from = (loc: Loc): Loc => movedInNet(loc, back);
  return {
    checked: {
      ...checked,
      net: movedNet(checked.net, moves),
      used: new Set([...checked.used].map((each) => movedNet(each, moves))),
      diagnostics: found(checked.diagnostics),
    },
    facts: {
      at: (loc) => facts.at(from(loc)),
      weightsOf: (loc) => facts.weightsOf(from(loc)),
      weightsIn: (loc) => facts.weightsIn(from(loc)),
      get weights() {
        return facts.weights;
      },
    },
    passErrors: lazy(() => found(passErrors())),
  };
}

const movedNet = (net: Net, moves: readonly Move[]): Net => moves.find(({ from }) => from === net)?.to ?? net;

/** A place in one of the nets, and any other as it is. */
function movedInNet(loc: Loc, moves: readonly Move[]): Loc {
  const move = moves.find(({ from }) => from.loc.file === loc.file && from.loc.span.start <= loc.span.start && loc.span.end <= from.loc.span.end);
  if (!move) return loc;
  const [from, to] = [move.from.loc, move.to.loc];
  // In its first line a net may have moved to the side.
  return movedLoc(loc, to.span.start - from.span.start, to.line - from.line, loc.line === from.line ? to.column - from.column : 0);
}
