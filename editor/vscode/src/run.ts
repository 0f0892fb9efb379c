// Runs `zz` for a command of the extension and gives what it writes.

import { execFile } from 'node:child_process';
import type { Tool } from './tool.ts';

/** A run that failed; its message is what `zz` said. */
export class ToolError extends Error {}

/** The standard output of `zz` with these arguments. Throws ToolError where it ends otherwise than well. */
export function run({ command, args, env, shell }: Tool, argv: readonly string[], cwd: string): Promise<string> {
  const quoted = shell ? argv.map((word) => `"${word}"`) : argv;
  return new Promise((resolve, reject) => {
    execFile(command, [...args, ...quoted], { cwd, shell, env: { ...process.env, ...env, NO_COLOR: '1' }, maxBuffer: 256 * 2 ** 20 }, (error, stdout, stderr) => {
      if (error) reject(new ToolError(stderr.trim() === '' ? error.message : stderr.trim()));
      else resolve(stdout);
    });
  });
}
