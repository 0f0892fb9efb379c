// What the commands say of themselves.

import { main } from '../../cli/program.ts';
import { fenced } from './markdown.ts';

/** The standard output of `zz` with these arguments. */
async function output(argv: readonly string[]): Promise<string> {
  let written = '';
  const stdin = (async function* () { yield ''; })();
  const status = await main(argv, { stdin, stdout: { write: (text) => { written += text; } }, stderr: { write: () => true }, env: {}, cwd: '.', onInterrupt: () => () => undefined });
  if (status !== 0) throw new Error(`zz ${argv.join(' ')} ends with ${status}`);
  return written;
}

/** The help of every command that the general help lists. */
export async function commandHelp(): Promise<string> {
  const commands = [...(await output(['--help'])).matchAll(/^ {2}(\w+) .*$/gm)].map(([, name = '']) => name).filter((name) => name !== 'zz' && name !== 'help');
  const parts = commands.map(async (name) => `## ${name}\n\n${fenced('text', (await output([name, '--help'])).trimEnd())}`);
  return (await Promise.all(parts)).join('\n\n');
}
