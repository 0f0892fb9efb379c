// zz completion: what the Tab key offers in a shell, made from the commands themselves.

import { Argument, type Command } from 'commander';
import type { AddCommand } from './command.ts';
import { EXIT, print } from './io.ts';

const SHELLS = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof SHELLS)[number];

export const completionCommand: AddCommand = (program, io, done) => {
  program
    .command('completion')
    .summary('Tab completion for a shell')
    .description('Writes a script that teaches a shell the commands, options and their words.')
    .addArgument(new Argument('<shell>', 'which shell').choices(SHELLS))
    .addHelpText('after', '\nExamples:\n  source <(zz completion bash)\n  zz completion zsh > "${fpath[1]}/_zz"\n  zz completion fish > ~/.config/fish/completions/zz.fish\n')
    .action((shell: Shell) => {
      print(io, SCRIPTS[shell](program.commands.map(describe)));
      done(EXIT.good);
    });
};

interface Entry {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly { readonly flag: string; readonly about: string; readonly takes: boolean; readonly words: readonly string[] }[];
  /** Words that its arguments may be; files where there are none. */
  readonly words: readonly string[];
}

const describe = (command: Command): Entry => ({
  name: command.name(),
  summary: command.summary(),
  options: command.options.map(({ long, short, description, required, optional, argChoices = [] }) => ({ flag: long ?? short ?? '', about: description, takes: required || optional, words: argChoices })),
  words: command.registeredArguments.flatMap(({ argChoices = [] }) => argChoices),
});

/** A text in single quotes of a POSIX shell. */
const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

const SCRIPTS: { readonly [S in Shell]: (entries: readonly Entry[]) => string } = {
  bash: (entries) => {
    const flags = ({ options }: Entry): string => [...options.map(({ flag }) => flag), '--help'].join(' ');
    const offer = (words: string): string => `COMPREPLY=($(compgen -W "${words}" -- "$cur"))`;
    const chosen = entries.flatMap(({ name, options }) => options.filter(({ words }) => words.length > 0).map(({ flag, words }) => `    ${name}:${flag}) ${offer(words.join(' '))}; return ;;`));
    return [
      '# bash completion of zz',
      '_zz() {',
      '  local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}" command="${COMP_WORDS[1]}"',
      '  COMPREPLY=()',
      `  if [ "$COMP_CWORD" -eq 1 ]; then ${offer([...entries.map(({ name }) => name), '--help', '--version'].join(' '))}; return; fi`,
      '  case "$command:$prev" in',
      ...chosen,
      '  esac',
      '  case "$cur" in',
      '    -*)',
      '      case "$command" in',
      ...entries.map((entry) => `        ${entry.name}) ${offer(flags(entry))} ;;`),
      '      esac',
      '      return ;;',
      '  esac',
      '  case "$command" in',
      ...entries.filter(({ words }) => words.length > 0).map(({ name, words }) => `    ${name}) ${offer(words.join(' '))} ;;`),
      '  esac',
      '}',
      'complete -o default -F _zz zz',
      '',
    ].join('\n');
  },

  zsh: (entries) => {
    // Colons and brackets have a meaning in the specifications of _arguments.
    const about = (text: string): string => text.replaceAll(/[[\]:\\]/g, '\\$&');
    const values = (words: readonly string[]): string => (words.length > 0 ? `(${words.join(' ')})` : '_files');
    const option = ({ flag, about: what, takes, words }: Entry['options'][number]): string => quote(`${flag}[${about(what)}]${takes ? `:value:${values(words)}` : ''}`);
    return [
      '#compdef zz',
      '_zz() {',
      '  if (( CURRENT == 2 )); then',
      `    local -a commands=(${entries.map(({ name, summary }) => quote(`${name}:${summary}`)).join(' ')})`,
      "    _describe 'command' commands",
      '    return',
      '  fi',
      '  local command=$words[2]',
      '  shift words; (( CURRENT-- ))',
      '  case $command in',
      ...entries.map((entry) => `    ${entry.name}) _arguments ${[...entry.options.map(option), quote('--help[show help]'), quote(`*:argument:${values(entry.words)}`)].join(' ')} ;;`),
      '  esac',
      '}',
      'if [ "$funcstack[1]" = _zz ]; then _zz; else compdef _zz zz; fi',
      '',
    ].join('\n');
  },

  fish: (entries) => {
    const about = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
    return [
      '# fish completion of zz',
      ...entries.map(({ name, summary }) => `complete -c zz -n __fish_use_subcommand -f -a ${name} -d ${about(summary)}`),
      ...entries.flatMap(({ name, options, words }) => {
        const when = `complete -c zz -n '__fish_seen_subcommand_from ${name}'`;
        return [
          ...options.map(({ flag, about: what, takes, words: choices }) => `${when} -l ${flag.replace(/^-+/, '')}${takes ? ' -r' : ''}${choices.length > 0 ? ` -f -a '${choices.join(' ')}'` : ''} -d ${about(what)}`),
          ...(words.length > 0 ? [`${when} -f -a '${words.join(' ')}'`] : []),
        ];
      }),
      '',
    ].join('\n');
  },
};
