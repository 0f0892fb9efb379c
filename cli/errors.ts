// Turns whatever a command throws into lines for people and an exit status. A stack trace is shown only with ZZ_DEBUG.

import { CommanderError } from 'commander';
import { BackendError } from '../runtime/backend.ts';
import { DataError } from '../runtime/data/dataset.ts';
import { RunError } from '../runtime/errors.ts';
import { isSystemError } from '../runtime/files.ts';
import { sayTally, showDiagnostics, SourceError } from './diagnostics.ts';
import { colours, debugLevel, EnvironmentError, EXIT, say, UsageError, type Io } from './io.ts';

interface Report {
  readonly message: string;
  readonly advice: string;
  readonly status: number;
}

const SYSTEM: Readonly<Record<string, readonly [what: string, advice: string, status: number]>> = {
  ENOENT: ['no such file or folder', 'Check the path.', EXIT.user],
  ENOTDIR: ['a part of the path is not a folder', 'Check the path.', EXIT.user],
  EISDIR: ['it is a folder', 'Name a file.', EXIT.user],
  ENAMETOOLONG: ['the name is too long for a file', 'Choose a shorter one.', EXIT.user],
  ELOOP: ['the links go in a circle', 'Check the path.', EXIT.user],
  EACCES: ['permission denied', 'Change the permissions, or choose another place.', EXIT.environment],
  EPERM: ['operation not permitted', 'Change the permissions, or choose another place.', EXIT.environment],
  EROFS: ['the file system is read-only', 'Choose another place with --out.', EXIT.environment],
  ENOSPC: ['the disk is full', 'Free some space, and do it again; zz train goes on with --resume.', EXIT.environment],
  EMFILE: ['too many open files', 'Raise the limit (ulimit -n).', EXIT.environment],
};

/** Writes what went wrong and returns the exit status. */
export function reportError(io: Io, error: unknown): number {
  // commander has written its own message already.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.good : EXIT.user;
  if (error instanceof SourceError) {
    showDiagnostics(io, io.stderr, error.diagnostics, error.texts);
    sayTally(io, error.diagnostics);
    return EXIT.user;
  }
  if (error instanceof Error && error.name === 'AbortError') return EXIT.interrupted;
  const { message, advice, status } = describe(error);
  const c = colours(io, io.stderr);
  say(io, `${c.bold(c.red('error'))}: ${message}`);
  if (advice !== '') say(io, `  ${advice}`);
  if (debugLevel(io) > 0 && error instanceof Error) say(io, causes(error));
  return status;
}

function describe(error: unknown): Report {
  if (error instanceof UsageError || error instanceof RunError) return { message: error.message, advice: error.advice, status: EXIT.user };
  if (error instanceof DataError) return { message: error.message, advice: error.advice, status: error.kind === 'input' ? EXIT.user : EXIT.environment };
  if (error instanceof BackendError || error instanceof EnvironmentError) return { message: error.message, advice: error.advice, status: EXIT.environment };
  if (isSystemError(error)) {
    const [what, advice, status] = SYSTEM[error.code ?? ''] ?? [error.message, '', EXIT.environment];
    return { message: error.path === undefined ? what : `${error.path}: ${what}`, advice, status };
  }
  return {
    message: `zz failed in a way it should not: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`,
    advice: 'Please report it, with the .zz file and what the command prints under ZZ_DEBUG=1.',
    status: EXIT.environment,
  };
}

/** The stack of an error and of what caused it. */
function causes(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by ${causes(error.cause)}` : '';
  return `${error.stack ?? error.message}${cause}`;
}
