// zz help: the help of zz, or of one of its commands.

import type { AddCommand } from './command.ts';
import { choiceArgument } from './choice.ts';
import { EXIT } from './io.ts';

export const helpCommand: AddCommand = (program, _io, done) => {
  program.helpCommand(false);
  const names = [...program.commands.map((command) => command.name()), 'help'];
  program
    .command('help')
    .summary('help for a command')
    .description('Shows the help of zz, or of one of its commands.')
    .addArgument(choiceArgument('[command]', 'which command', names))
    .addHelpText('after', '\nExamples:\n  zz help\n  zz help train\n')
    .action((name: string | undefined) => {
      (program.commands.find((command) => command.name() === name) ?? program).outputHelp();
      done(EXIT.good);
    });
};
