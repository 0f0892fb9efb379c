// zz fmt: .zz files in the canonical form.

import type { Command } from 'commander';
import { writeWhole } from '../runtime/files.ts';
import { hasErrors, type Diagnostic, type Source } from '../compiler/diagnostics.ts';
import type { AddCommand } from './command.ts';
import { sayTally, showDiagnostics, textsOf } from './diagnostics.ts';
import { at, EXIT, print, say, type Io } from './io.ts';
import { diskReader, parseTarget } from './source.ts';

interface Options {
  readonly check?: boolean;
}

export const fmtCommand: AddCommand = (program: Command, io, done) => {
  program
    .command('fmt')
    .summary('the canonical form of .zz files')
    .description('Rewrites files in the canonical form. Comments stay and the meaning does not change. `-` reads standard input and writes standard output.')
    .argument('<file...>', '.zz files, or -')
    .option('--check', 'change nothing; exit status 1 where a file would change')
    .addHelpText('after', '\nExamples:\n  zz fmt net.zz\n  zz fmt --check dsl-examples/*.zz\n  cat net.zz | zz fmt -\n')
    .action(async (files: string[], options: Options) => {
      const statuses: number[] = [];
      for (const file of files) statuses.push(await formatFile(file, options, io));
      done(Math.max(EXIT.good, ...statuses));
    });
};

async function formatFile(named: string, { check = false }: Options, io: Io): Promise<number> {
  const { formatSource } = await import('../compiler/1-syntax/print.ts');
  const isStdin = named === '-';
  // A colon belongs to the name: no net is asked for.
  const { file } = isStdin ? parseTarget(named) : { file: named };
  const source = (await diskReader(io, [{ file }])).read(file);
  if (!('text' in source)) return refuse(io, [source]);
  const { text, diagnostics } = formatSource(source);
  if (text === undefined || hasErrors(diagnostics)) return refuse(io, diagnostics, source);
  if (check) {
    if (text === source.text) return EXIT.good;
    say(io, `${file} is not in the canonical form`);
    return EXIT.user;
  }
  if (isStdin) print(io, text);
  else if (text !== source.text) await writeWhole(at(io, file), text);
  return EXIT.good;
}

function refuse(io: Io, diagnostics: readonly Diagnostic[], source?: Source): number {
  showDiagnostics(io, io.stderr, diagnostics, textsOf(source ? [{ source }] : []));
  sayTally(io, diagnostics);
  return EXIT.user;
}
