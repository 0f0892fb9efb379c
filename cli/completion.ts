// zz completion: what the Tab key offers in a shell, made from the commands themselves.

import type { Argument, Command, Option } from 'commander';
import { choiceArgument, type Offering } from './choice.ts';
import type { AddCommand } from './command.ts';
import { EXIT, print } from './io.ts';

const SHELLS = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof SHELLS)[number];

export const completionCommand: AddCommand = (program, io, done) => {
  program
    .command('completion')
    .summary('Tab completion for a shell')
    .description('Writes a script that teaches a shell the commands, options and their words.')
    .addArgument(choiceArgument('<shell>', 'which shell', SHELLS))
    .addHelpText('after', '\nExamples:\n  source <(zz completion bash)\n  zz completion zsh > "${fpath[1]}/_zz"\n  zz completion fish > ~/.config/fish/completions/zz.fish\n')
    .action((shell: Shell) => {
      print(io, SCRIPTS[shell](program.commands.map(describe)));
      done(EXIT.good);
    });
};

/** What may stand in a place: words, and paths of some kind. */
interface Values {
  readonly words: readonly string[];
  readonly paths: 'none' | 'all' | 'sources' | 'folders';
}

interface Entry {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly (Values & { readonly flag: string; readonly about: string; readonly takes: boolean })[];
  /** Of its arguments. */
  readonly values: Values;
}

/** Paths by the names that help texts give to arguments, and to the values of options. */
const OF_ARGUMENTS: Readonly<Record<string, Values['paths']>> = { file: 'sources', run: 'folders', runs: 'folders', images: 'all', weights: 'all' };
const OF_OPTIONS: Readonly<Record<string, Values['paths']>> = { dir: 'folders', file: 'all', run: 'all' };

const describe = (command: Command): Entry => ({
  name: command.name(),
  summary: command.summary(),
  options: command.options.map((option: Offering<Option>) => {
    const { long, short, description, required, optional, flags, argChoices = [], offers = argChoices } = option;
    const flag = long ?? short ?? '';
    // A data set is a path as well as a name.
    const paths = flag === '--data' ? 'all' : (OF_OPTIONS[/<([\w-]+)/.exec(flags)?.[1] ?? ''] ?? 'none');
    return { flag, about: description, takes: required || optional, words: offers, paths };
  }),
  values: command.registeredArguments.reduce<Values>((all, argument: Offering<Argument>) => {
    const words = argument.offers ?? argument.argChoices ?? [];
    const paths = OF_ARGUMENTS[argument.name()] ?? (argument.offers ? 'folders' : 'none');
    return { words: [...all.words, ...words], paths: all.paths === 'none' ? paths : all.paths === paths || paths === 'none' ? all.paths : 'all' };
  }, { words: [], paths: 'none' }),
});

/** A text in single quotes of a POSIX shell. */
const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

const SCRIPTS: { readonly [S in Shell]: (entries: readonly Entry[]) => string } = {
  bash: (entries) => {
    const flags = ({ options }: Entry): string => [...options.map(({ flag }) => flag), '--help'].join(' ');
    const words = (offered: readonly string[]): string => `COMPREPLY+=($(compgen -W "${offered.join(' ')}" -- "$cur"))`;
    const paths: { readonly [P in Values['paths']]: string } = { none: '', all: '_zz_paths -f', sources: "_zz_paths -f -X '!*.zz'; _zz_paths -d", folders: '_zz_paths -d' };
    const offer = ({ words: offered, paths: kind }: Values): string => [...(offered.length > 0 ? [words(offered)] : []), ...(kind === 'none' ? [] : [paths[kind]])].join('; ') || ':';
    const chosen = entries.flatMap(({ name, options }) => options.filter(({ takes }) => takes).map((option) => `    ${name}:${option.flag}) ${offer(option)}; return ;;`));
    return [
      '# bash completion of zz',
      '_zz_paths() {',
      '  local path',
      '  compopt -o filenames 2>/dev/null',
      '  while IFS= read -r path; do COMPREPLY+=("$path"); done < <(compgen "$@" -- "$cur")',
      '}',
      '_zz() {',
      '  local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}" command="${COMP_WORDS[1]}"',
      '  COMPREPLY=()',
      `  if [ "$COMP_CWORD" -eq 1 ]; then ${words([...entries.map(({ name }) => name), '--help', '--version'])}; return; fi`,
      '  case "$command:$prev" in',
      ...chosen,
      '  esac',
      '  case "$cur" in',
      '    -*)',
      '      case "$command" in',
      ...entries.map((entry) => `        ${entry.name}) ${words(flags(entry).split(' '))} ;;`),
      '      esac',
      '      return ;;',
      '  esac',
      '  case "$command" in',
      ...entries.map(({ name, values }) => `    ${name}) ${offer(values)} ;;`),
      '  esac',
      '}',
      'complete -F _zz zz',
      '',
    ].join('\n');
  },

  zsh: (entries) => {
    // Colons and brackets have a meaning in the specifications of _arguments.
    const about = (text: string): string => text.replaceAll(/[[\]:\\]/g, '\\$&');
    const paths: { readonly [P in Values['paths']]: string } = { none: '', all: '_files', sources: '_files -g "*.zz"', folders: '_files -/' };
    /** Words beside paths are alternatives, for which _arguments asks a function. */
    const functions = new Map<string, string>();
    const values = ({ words, paths: kind }: Values): string => {
      if (words.length === 0) return kind === 'none' ? ' ' : paths[kind];
      if (kind === 'none') return `(${words.join(' ')})`;
      const body = `_alternative ${quote(`words:word:(${words.join(' ')})`)} ${quote(`paths:path:${paths[kind]}`)}`;
      const name = functions.get(body) ?? `_zz_values_${functions.size + 1}`;
      functions.set(body, name);
      return name;
    };
    const option = (each: Entry['options'][number]): string => quote(`${each.flag}[${about(each.about)}]${each.takes ? `:value:${values(each)}` : ''}`);
    const commands = entries.map((entry) => `    ${entry.name}) _arguments ${[...entry.options.map(option), quote('--help[show help]'), quote(`*:argument:${values(entry.values)}`)].join(' ')} ;;`);
    return [
      '#compdef zz',
      ...[...functions].map(([body, name]) => `${name}() { ${body} }`),
      '_zz() {',
      '  if (( CURRENT == 2 )); then',
      `    local -a commands=(${entries.map(({ name, summary }) => quote(`${name}:${summary}`)).join(' ')})`,
      "    _describe 'command' commands",
      '    return',
      '  fi',
      '  local command=$words[2]',
      '  shift words; (( CURRENT-- ))',
      '  case $command in',
      ...commands,
      '  esac',
      '}',
      'if [ "$funcstack[1]" = _zz ]; then _zz; else compdef _zz zz; fi',
      '',
    ].join('\n');
  },

  fish: (entries) => {
    const about = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
    const paths: { readonly [P in Values['paths']]: string } = { none: '', all: '(__fish_complete_path)', sources: '(__fish_complete_suffix .zz)', folders: '(__fish_complete_directories)' };
    const values = ({ words, paths: kind }: Values): string => [...words, ...(kind === 'none' ? [] : [paths[kind]])].join(' ');
    return [
      '# fish completion of zz',
      'complete -c zz -f',
      ...entries.map(({ name, summary }) => `complete -c zz -n __fish_use_subcommand -a ${name} -d ${about(summary)}`),
      ...entries.flatMap(({ name, options, values: own }) => {
        const when = `complete -c zz -n '__fish_seen_subcommand_from ${name}'`;
        return [
          ...options.map((option) => `${when} -l ${option.flag.replace(/^-+/, '')}${option.takes ? ` -x${values(option) === '' ? '' : ` -a '${values(option)}'`}` : ''} -d ${about(option.about)}`),
          ...(values(own) === '' ? [] : [`${when} -a '${values(own)}'`]),
        ];
      }),
      '',
    ].join('\n');
  },
};
