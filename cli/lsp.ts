// zz lsp: the language server, over standard input and output.

import { Readable, Writable } from 'node:stream';
import type { AddCommand } from './command.ts';
import type { Io } from './io.ts';
import { diskReader } from './source.ts';
import { VERSION } from './version.ts';

export const lspCommand: AddCommand = (program, io, done) => {
  program
    .command('lsp')
    .summary('the language server, for editors')
    .description('Speaks the Language Server Protocol over standard input and output. Editors start it; docs/editor.md says how.')
    .option('--stdio', 'over standard input and output, which is the only way')
    .addHelpText('after', '\nExample:\n  zz lsp --stdio\n')
    .action(async () => done(await run(io)));
};

async function run(io: Io): Promise<number> {
  const { serve } = await import('../editor/server/server.ts');
  const input = io.stdin instanceof Readable ? io.stdin : Readable.from(io.stdin);
  const output = new Writable({
    write(chunk: Buffer | string, _, written) {
      io.stdout.write(chunk.toString());
      written();
    },
  });
  return serve({ input, output, disk: await diskReader(io), version: VERSION });
}
