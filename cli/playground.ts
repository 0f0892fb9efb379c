// zz playground: serves the page in which nets are written, looked at and trained.

import { existsSync } from 'node:fs';
import { basename, dirname, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InvalidArgumentError } from 'commander';
import { isSystemError } from '../runtime/files.ts';
import type { AddCommand } from './command.ts';
import { admit, textsOf } from './diagnostics.ts';
import { EnvironmentError, EXIT, print, say, type Io } from './io.ts';
import type { Served } from './playground/server.ts';
import { diskReader } from './source.ts';

interface Options {
  readonly port?: number;
  readonly host: string;
}

/** The first port that is tried, and how many after it, where the user names none. */
const PORTS = { first: 7007, more: 20 } as const;

export const playgroundCommand: AddCommand = (program, io, done) => {
  program
    .command('playground')
    .summary('write and train nets in a browser')
    .description('Serves a page with an editor, the graph, every stage of the compilation, and training in the browser, on WebGPU or WebAssembly. Nothing is asked of any other server. Ctrl-C ends it.')
    .argument('[file]', 'a .zz file to begin with; the page works on a copy')
    .option('--port <number>', `the port; 0 for any that is free (default: the first free one from ${PORTS.first})`, portNumber)
    .option('--host <address>', 'the address to listen on; 0.0.0.0 for all of this machine', 'localhost')
    .addHelpText('after', '\nExamples:\n  zz playground\n  zz playground net.zz --port 8080\n')
    .action(async (file: string | undefined, options: Options) => done(await runPlayground(file, options, io)));
};

function portNumber(text: string): number {
  const port = Number(text);
  if (text.trim() === '' || !Number.isInteger(port) || port < 0 || port > 65535) throw new InvalidArgumentError('Expected a port from 0 to 65535.');
  return port;
}

async function runPlayground(file: string | undefined, options: Options, io: Io): Promise<number> {
  const stop = new Promise<void>((resolve) => {
    io.onInterrupt(resolve);
  });
  const opened = file === undefined ? undefined : await read(file, io);
  const served = await serveSomewhere(siteFolder(), options, opened);
  print(io, served.address);
  if (options.port === undefined && served.port !== PORTS.first) say(io, `Port ${PORTS.first} is in use; this is the next one that is free.`);
  if (!['localhost', '127.0.0.1', '::1'].includes(options.host)) say(io, 'From other machines browsers give WebGPU and threads only to pages over https.');
  say(io, 'Ctrl-C ends it.');
  await stop;
  await served.close();
  return EXIT.good;
}

/** The built site: beside the compiled command line, or in dist/ where that runs from its sources. */
function siteFolder(): string {
  const found = ['../playground/', '../dist/playground/'].map((path) => fileURLToPath(new URL(path, import.meta.url))).find((folder) => existsSync(`${folder}assets`));
  if (found === undefined) throw new EnvironmentError('the playground has not been built', 'Build it with: npm run build');
  return found;
}

/** A file with what it imports. Mistakes in it are for the page to show; only what cannot be read is refused. */
async function read(file: string, io: Io): Promise<unknown> {
  const { loadProgram } = await import('../compiler/2-graph/build.ts');
  const program = loadProgram(file, await diskReader(io));
  if (!program.main) admit(io, program.diagnostics, textsOf(program.files));
  const [main, ...others] = program.files.map(({ source }) => source);
  // In the page names are as seen from the file.
  const name = (path: string): string => relative(dirname(file), path).replaceAll('\\', '/');
  return { file: basename(file), text: main?.text ?? '', beside: Object.fromEntries(others.map((each) => [name(each.file), each.text])) };
}

async function serveSomewhere(folder: string, { host, port }: Options, opened: unknown): Promise<Served> {
  const { serve } = await import('./playground/server.ts');
  const tries = port === undefined ? Array.from({ length: PORTS.more + 1 }, (_, i) => PORTS.first + i) : [port];
  for (const each of tries) {
    try {
      return await serve(folder, { host, port: each, opened });
    } catch (error) {
      if (isSystemError(error, 'EADDRINUSE') && each !== tries.at(-1)) continue;
      throw refusal(error, host, each);
    }
  }
  throw new RangeError('no port was tried');
}

function refusal(error: unknown, host: string, port: number): unknown {
  if (isSystemError(error, 'EADDRINUSE')) return new EnvironmentError(`port ${port} is in use`, 'Choose another with --port, or leave it out to take one that is free.');
  if (isSystemError(error, 'EACCES')) return new EnvironmentError(`port ${port} is not for everyone`, 'Choose one from 1024 with --port.');
  if (isSystemError(error, 'EADDRNOTAVAIL') || (isSystemError(error) && error.syscall === 'getaddrinfo')) return new EnvironmentError(`${host} is no address of this machine`, 'Leave --host out, or give 0.0.0.0.');
  return error;
}
