// zz playground: what it serves, with which headers, on which port, and how it ends. Skipped before the first `npm run build`.

import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { zz } from './zz.ts';
import type { Ran } from './zz.ts';

const site = fileURLToPath(new URL('../../dist/playground', import.meta.url));

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'zz-playground-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Starts the command, gives its address to `use`, and then interrupts it. */
async function served(argv: readonly string[], use: (address: string) => Promise<void> = async () => undefined): Promise<Ran> {
  let interrupt = (): void => undefined;
  let begun: (address: string) => void = () => undefined;
  const address = new Promise<string>((resolve) => {
    begun = resolve;
  });
  const ended = zz(['playground', ...argv], { cwd: folder, interrupts: (stop) => { interrupt = stop; }, onStdout: (text) => begun(text.trim()) });
  const first = await Promise.race([address, ended.then(() => undefined)]);
  try {
    if (first !== undefined) await use(first);
  } finally {
    interrupt();
  }
  return ended;
}

describe.skipIf(!existsSync(site))('zz playground', () => {
  test('serves the page and its files, isolated, and nothing else; Ctrl-C ends it', async () => {
    let address = '';
    const ran = await served(['--port', '0'], async (at) => {
      address = at;
      const page = await fetch(at);
      expect(page.status).toBe(200);
      expect(Object.fromEntries(page.headers)).toMatchObject({ 'content-type': 'text/html; charset=utf-8', 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' });
      const text = await page.text();
      expect(text).toContain('<script type="application/json" id="opened">null</script>');
      for (const [, name = ''] of text.matchAll(/(?:src|href)="\.\/(assets\/[^"]+)"/g)) expect((await fetch(new URL(name, at))).status, name).toBe(200);
      for (const path of ['nosuch.js', '../package.json', '..%2f..%2fpackage.json', 'assets/../../package.json']) expect((await fetch(`${at}${path}`)).status, path).toBe(404);
    });
    expect(ran).toEqual({ status: 0, stdout: `${address}\n`, stderr: 'Ctrl-C ends it.\n' });
    expect(address).toMatch(/^http:\/\/localhost:\d+\/$/);
    await expect(fetch(address)).rejects.toThrow();
  });

  test('gives the page a file with what it imports, named as seen from it', async () => {
    mkdirSync(join(folder, 'nets/parts'), { recursive: true });
    writeFileSync(join(folder, 'nets/a.zz'), '// </script>\nimport "parts/b.zz"\nimport "../c.zz"\nnet A { input x: [4, 4, 3]  output y = x -> B }\n');
    writeFileSync(join(folder, 'nets/parts/b.zz'), 'net B { input x: [4, 4, 3]  output y = x -> relu }\n');
    writeFileSync(join(folder, 'c.zz'), 'net C { input x: [4, 4, 3]  output y = x -> elu }\n');
    await served(['nets/a.zz', '--port', '0'], async (at) => {
      const [, json = ''] = /id="opened">(.*?)<\/script>/s.exec(await (await fetch(at)).text()) ?? [];
      const { file, text, beside } = JSON.parse(json) as { file: string; text: string; beside: Record<string, string> };
      expect([file, text.split('\n')[0], Object.keys(beside).sort()]).toEqual(['a.zz', '// </script>', ['../c.zz', 'parts/b.zz']]);
    });
  });

  test('opens a file with mistakes, which the page shows, but none that cannot be read', async () => {
    writeFileSync(join(folder, 'bad.zz'), 'net {');
    expect((await served(['bad.zz', '--port', '0'])).status).toBe(0);
    expect(await served(['nosuch.zz'])).toMatchObject({ status: 1, stdout: '', stderr: expect.stringContaining('there is no file nosuch.zz') as string });
  });

  test('a port in use is an error where it was named, and left for the next one where it was not', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => { taken.listen(0, 'localhost', resolve); });
    const { port } = taken.address() as AddressInfo;
    expect(await served(['--port', String(port)])).toEqual({ status: 2, stdout: '', stderr: `error: port ${port} is in use\n  Choose another with --port, or leave it out to take one that is free.\n` });
    await new Promise((resolve) => { taken.close(resolve); });
    const both = await served([], async (first) => {
      const second = await served([], async (address) => {
        expect(Number(new URL(address).port)).toBeGreaterThan(Number(new URL(first).port));
      });
      expect(second.stderr).toContain('Port 7007 is in use; this is the next one that is free.');
    });
    expect(both.status).toBe(0);
  });

  test.each([
    [['--port', '99999'], 1, 'Expected a port from 0 to 65535.'],
    [['--port', 'x'], 1, 'Expected a port from 0 to 65535.'],
    [['--host', 'no-such-host.invalid', '--port', '0'], 2, 'no-such-host.invalid is no address of this machine'],
    [['--host', '192.0.2.1', '--port', '0'], 2, '192.0.2.1 is no address of this machine'],
  ])('%j is refused', async (argv, status, message) => {
    const ran = await served(argv);
    expect(ran).toMatchObject({ status, stdout: '' });
    expect(ran.stderr).toContain(message);
  });

  test('says what other machines get', async () => {
    expect((await served(['--host', '0.0.0.0', '--port', '0'])).stderr).toContain('only to pages over https');
  });
});
