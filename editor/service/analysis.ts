// What is known of one text: tokens, tree, program, the meaning of its names, what each net builds, what is wrong. Every part is made when it is first asked for.

import type { File, Net } from '../../compiler/1-syntax/ast.ts';
import { checkNet, loadProgram } from '../../compiler/2-graph/build.ts';
import type { Program, Reader } from '../../compiler/2-graph/build.ts';
import { checkNets } from '../../compiler/check.ts';
import type { Graph } from '../../compiler/2-graph/graph.ts';
import type { Diagnostic, Source, Span } from '../../compiler/diagnostics.ts';
import { buildsOf } from './builds.ts';
import type { Builds } from './builds.ts';
import type { Facts } from './facts.ts';
import { lazy, once } from './lazy.ts';
import { resolveNames } from './names.ts';
import type { Names } from './names.ts';
import { reparse } from './reparse.ts';
import type { Reading, Sound } from './reparse.ts';
import type { TokenList } from './token-list.ts';

export interface Analysis {
  readonly source: Source;
  /** What could be read; where a mistake left a part out there is a hole. */
  readonly ast: File;
  readonly tokens: TokenList;
  readonly comments: File['comments'];
  readonly program: Program;
  /** The imports, each with the file that it stands for. */
  readonly imports: readonly { readonly span: Span; readonly path: string; readonly file: string }[];
  readonly names: Names;
  /** Of this file and of what it imports. */
  readonly diagnostics: readonly Diagnostic[];
  /** Builds and checks one net of this file, so that what is asked of all of them afterwards is there. */
  readonly prepare: (net: Net) => void;
  /** What the build of a net of this file found out about its text. */
  readonly facts: (net: Net) => Facts;
  /** The training graph of a net of this file, built for whoever asks for it; none where there are errors. */
  readonly graph: (net: Net) => Graph | undefined;
  /** Texts and trees by file, for the next analysis. */
  readonly parses: ReadonlyMap<string, Parsed>;
  /** Builds of nets, for the next analysis. */
  readonly builds: Builds['kept'];
}

interface Parsed {
  readonly source: Source;
  readonly reading: Reading;
  /** The last text of the file without syntax errors. */
  readonly sound: Sound | undefined;
}

/**
 * Analyses a file. Never throws on bad input; a file that cannot be read counts as empty. Files that have not changed since `before` are not parsed again,
 * and if nothing at all has changed, `before` is given back.
 */
export function analyze(file: string, reader: Reader, before?: Analysis): Analysis {
  const { program, parses } = load(file, reader, before?.parses);
  return before && sameProgram(before, parses, program) ? before : analysisOf(file, reader, { program, parses }, before?.builds);
}

/** What the names of a file mean, for a text that is only tried. */
export function resolve(file: string, reader: Reader, before: Analysis): Pick<Analysis, 'program' | 'names'> {
  const { program } = load(file, reader, before.parses);
  return { program, names: namesOf(program) };
}

const namesOf = ({ main }: Program): Names => (main ? resolveNames(main.ast, main.library) : { definitions: [], occurrences: [] });

/** Reads a file and its imports. What `before` holds is out of reach of all that is made later: an analysis would keep the one before it, and so all before that. */
function load(file: string, reader: Reader, before: Analysis['parses'] = new Map()): Pick<Analysis, 'program' | 'parses'> {
  const parses = new Map<string, Parsed>();
  const program = loadProgram(file, reader, (source) => {
    const known = parses.get(source.file) ?? before.get(source.file);
    const parsed = known?.source.text === source.text ? known : read(source, known?.sound);
    parses.set(source.file, parsed);
    return parsed.reading;
  });
  return { program, parses };
}

function analysisOf(file: string, reader: Reader, { program, parses }: ReturnType<typeof load>, before: Analysis['builds'] | undefined): Analysis {
  const source = program.main?.source ?? { file, text: '' };
  const reading = parses.get(source.file)?.reading ?? reparse(source);
  const { file: ast } = reading;
  const names = lazy(() => namesOf(program));
  const builds = buildsOf(program, before);
  const graph = once((net: Net) => checkNet(program, net).graph);
  const diagnostics = lazy(() => checkNets(program, (program.main?.ast.nets ?? []).map((net) => builds.of(net).checked), ({ net }) => builds.of(net).passErrors()));
  return {
    source,
    ast,
    comments: ast.comments,
    program,
    parses,
    builds: builds.kept,
    imports: ast.imports.map(({ path, loc }) => ({ span: loc.span, path, file: reader.resolve(file, path) })),
    get tokens() {
      return reading.tokens();
    },
    get names() {
      return names();
    },
    get diagnostics() {
      return diagnostics();
    },
    prepare: (net) => void builds.of(net).passErrors(),
    facts: (net) => builds.of(net).facts,
    graph,
  };
}

function read(source: Source, before: Sound | undefined): Parsed {
  const reading = reparse(source, before);
  return { source, reading, sound: reading.diagnostics.length === 0 ? { source, reading } : before };
}

const sameProgram = (before: Analysis, parses: ReadonlyMap<string, Parsed>, program: Program): boolean =>
  program.main !== undefined &&
  before.program.main !== undefined &&
  parses.size === before.parses.size &&
  [...parses].every(([file, { reading }]) => before.parses.get(file)?.reading === reading) &&
  program.diagnostics.length === before.program.diagnostics.length;

/** The net that an offset lies in, or the one before it: a net whose brace is missing ends too early. */
export const netAt = ({ ast }: Analysis, offset: number): Net | undefined => ast.nets.findLast(({ loc }) => loc.span.start <= offset);
