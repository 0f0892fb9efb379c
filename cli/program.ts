// The command line: its commands, and how a run of it ends.

import { Command, CommanderError, Help } from 'commander';
import { benchCommand } from './bench.ts';
import { checkCommand } from './check.ts';
import type { AddCommand } from './command.ts';
import { compareCommand } from './compare.ts';
import { compileCommand } from './compile.ts';
import { completionCommand } from './completion.ts';
import { dataCommand } from './data.ts';
import { doctorCommand } from './doctor.ts';
import { reportError } from './errors.ts';
import { evalCommand } from './eval.ts';
import { fmtCommand } from './fmt.ts';
import { helpCommand } from './help.ts';
import { importCommand } from './import.ts';
import { EXIT, widthOf, type Io } from './io.ts';
import { irCommand } from './ir.ts';
import { lspCommand } from './lsp.ts';
import { playgroundCommand } from './playground.ts';
import { predictCommand } from './predict.ts';
import { wrapped } from './table.ts';
import { trainCommand } from './train.ts';
import { VERSION } from './version.ts';

const COMMANDS: readonly AddCommand[] = [checkCommand, fmtCommand, irCommand, compileCommand, trainCommand, evalCommand, predictCommand, importCommand, compareCommand, benchCommand, playgroundCommand, dataCommand, doctorCommand, lspCommand, completionCommand, helpCommand];

const RATE = 'The learning rate belongs to the optimizer: --optimizer "adam(lr: 1e-3)"';
/** What options that other tools have are here. */
const ELSEWHERE: ReadonlyMap<string, string> = new Map([
  ['--lr', RATE],
  ['--learning-rate', RATE],
  ['--momentum', 'The momentum belongs to the optimizer: --optimizer "sgd(lr: 0.1, momentum: 0.9)"'],
  ['--batch-size', 'That is --batch here.'],
  ['--device', 'That is --backend here: --backend webgpu'],
  ['--gpu', 'That is --backend here: --backend webgpu'],
]);

const withHint = (error: string): string => {
  const hint = ELSEWHERE.get(/unknown option '([^'=]+)/.exec(error)?.[1] ?? '');
  return hint === undefined ? error : `${error.trimEnd()}\n${hint}\n`;
};

/** An item of a help text: as usual where there is room beside the term, otherwise with its description below. */
const formatItem: Help['formatItem'] = function (this: Help, term, termWidth, description, helper) {
  const width = this.helpWidth ?? 80;
  if (description === '' || width - termWidth - 4 >= this.minWidthToWrap) return Help.prototype.formatItem.call(this, term, termWidth, description, helper);
  return `  ${term}\n${wrapped(description, Math.max(16, width - 4)).replaceAll(/^/gm, '    ')}`;
};

/** Runs `zz` with the arguments after the program's name and returns its exit status: 0 good, 1 the user's input, 2 the environment, 130 interrupted. */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  let status: number = EXIT.good;
  const program = new Command('zz')
    .description('Checks, inspects, trains and runs neural networks written as .zz files.')
    .version(VERSION, '-V, --version')
    .helpOption('-h, --help', 'show help')
    .showSuggestionAfterError()
    .showHelpAfterError('(zz --help, and zz COMMAND --help, show what there is)')
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: (text) => void io.stderr.write(text),
      outputError: (text, write) => { write(withHint(text)); },
      getOutHelpWidth: () => widthOf(io, io.stdout, 80),
      getErrHelpWidth: () => widthOf(io, io.stderr, 80),
    })
    .configureHelp({ minWidthToWrap: 24, subcommandTerm: (command) => command.name(), formatItem })
    .exitOverride()
    .addHelpText('after', '\nExample:\n  zz train dsl-examples/case-b.zz --data synthetic --width 0.25\n');
  for (const add of COMMANDS) {
    add(program, io, (code) => {
      status = code;
    });
  }
  for (const command of program.commands) command.copyInheritedSettings(program).exitOverride();
  try {
    await program.parseAsync(argv, { from: 'user' });
    return status;
  } catch (error) {
    // `zz` alone, and `zz help`, show help and end well.
    if (error instanceof CommanderError && error.code === 'commander.help' && argv.length === 0) return EXIT.good;
    return reportError(io, error);
  }
}
