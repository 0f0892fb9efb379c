// zz check: what is wrong with .zz files, and nothing else.

import type { AddCommand } from './command.ts';
import type { Diagnostic } from '../compiler/diagnostics.ts';
import { hasErrors } from '../compiler/diagnostics.ts';
import { showDiagnostics, tally, textsOf, toJson } from './diagnostics.ts';
import { choice } from './choice.ts';
import { EXIT, print, printJson, say, type Io } from './io.ts';
import { diskReader, parseTarget } from './source.ts';

export const checkCommand: AddCommand = (program, io, done) => {
  program
    .command('check')
    .summary('diagnostics of .zz files')
    .description('Reports errors, warnings and notes. `-` reads standard input. Exit status 1 where there are errors.')
    .argument('<file...>', '.zz files, or -')
    .addOption(choice('--format <form>', 'how they are written', ['text', 'json'], 'text'))
    .addHelpText('after', '\nExamples:\n  zz check dsl-examples/*.zz\n  zz check net.zz --format json\n  cat net.zz | zz check -\n')
    .action(async (files: string[], { format }: { format: 'text' | 'json' }) => done(await check(files, format, io)));
};

async function check(files: readonly string[], format: 'text' | 'json', io: Io): Promise<number> {
  const { loadProgram } = await import('../compiler/2-graph/build.ts');
  const { checkNets } = await import('../compiler/check.ts');
  const targets = files.map(parseTarget);
  const reader = await diskReader(io, targets);
  const found: Diagnostic[] = [];
  const known = new Set<string>(); // a file that several import is wrong once
  for (const { file } of targets) {
    const program = loadProgram(file, reader);
    const diagnostics = checkNets(program).filter((each) => {
      const key = JSON.stringify(toJson([each]));
      return !known.has(key) && known.add(key);
    });
    found.push(...diagnostics);
    if (format === 'text') showDiagnostics(io, io.stdout, diagnostics, textsOf(program.files));
  }
  if (format === 'json') printJson(io, toJson(found));
  else if (found.length > 0) print(io, tally(found));
  else say(io, `${files.length} ${files.length === 1 ? 'file is' : 'files are'} clean`);
  return hasErrors(found) ? EXIT.user : EXIT.good;
}
