// Downloads from a server that breaks off, lies, ignores ranges, changes its file or is not there.

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Progress } from '../../runtime/data/dataset.ts';
import { download, type Download } from '../../runtime/data/download.ts';
import { uniforms } from '../../runtime/random.ts';
import { dataErrorOf, serve, temporaryFolder } from './helpers.ts';

const next = uniforms(3);
const FILE = Buffer.from(Uint8Array.from({ length: 300_000 }, () => Math.floor(next() * 256)));
const md5 = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('hex');

const firstOf = (request: IncomingMessage): number => Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);

/** Answers as a server should, or only the first bytes of the rest before it hangs up. */
/** Sends less than it announced, leaves time for it to arrive, and breaks the connection. */
function breakOff(response: ServerResponse, bytes: Uint8Array): void {
  response.write(bytes, () => setTimeout(() => response.destroy(), 150));
}

function answer(request: IncomingMessage, response: ServerResponse, bytes = FILE, most = Infinity): void {
  const first = firstOf(request);
  const rest = bytes.subarray(first);
  response.writeHead(first > 0 ? 206 : 200, {
    'content-length': rest.length,
    etag: `"${md5(bytes).slice(0, 8)}"`,
    ...(first > 0 && { 'content-range': `bytes ${first}-${bytes.length - 1}/${bytes.length}` }),
  });
  if (rest.length <= most) response.end(rest);
  else breakOff(response, rest.subarray(0, most));
}

function jobFor(address: string, more: Partial<Download> = {}): Download {
  return { url: `${address}file`, file: join(temporaryFolder(), 'cache', 'file'), md5: md5(FILE), bytes: FILE.length, advice: 'do this', pause: 1, ...more };
}

const isWhole = (job: Download): boolean => readFileSync(job.file).equals(FILE);
const folderOf = (job: Download): string => join(job.file, '..');

/** A folder with a part from an earlier run. */
function leavePart(job: Download, bytes: Uint8Array, etag?: string): void {
  mkdirSync(folderOf(job), { recursive: true });
  writeFileSync(`${job.file}.part`, bytes);
  if (etag !== undefined) writeFileSync(`${job.file}.part.etag`, etag);
}

describe('download', () => {
  it('gets a file with progress, and not again', async () => {
    let requests = 0;
    const address = await serve((request, response) => { requests++; answer(request, response); });
    const heard: Progress[] = [];
    const job = jobFor(address, { progress: (progress) => heard.push(progress) });
    await download(job);
    expect(isWhole(job)).toBe(true);
    expect(heard.at(-1)).toEqual({ phase: 'download', unit: 'bytes', done: FILE.length, total: FILE.length });
    expect(heard.every(({ done }, i) => i === 0 || done > (heard[i - 1]?.done ?? 0))).toBe(true);
    expect(readdirSync(folderOf(job))).toEqual(['file']);
    await download(job);
    expect(requests).toBe(1);
  });

  it('goes on after every break from where it stopped', async () => {
    const starts: number[] = [];
    const address = await serve((request, response) => { starts.push(firstOf(request)); answer(request, response, FILE, 45_000); });
    const job = jobFor(address);
    await download(job);
    expect(isWhole(job)).toBe(true);
    expect(starts[0]).toBe(0);
    expect(starts.every((start, i) => i === 0 || start >= (starts[i - 1] ?? 0))).toBe(true);
    expect(new Set(starts).size).toBeGreaterThanOrEqual(7);
  });

  it('gives up on a server that ignores ranges and always breaks off', async () => {
    let requests = 0;
    const address = await serve((_, response) => {
      response.writeHead(200, { 'content-length': FILE.length });
      breakOff(response, FILE.subarray(0, ++requests % 2 === 0 ? 5000 : 9000));
    });
    expect((await dataErrorOf(download(jobFor(address, { attempts: 3 })))).message).toContain('cannot be downloaded');
    expect(requests).toBeLessThan(12);
  });

  it('goes on in a later run', async () => {
    const starts: number[] = [];
    const ranges: unknown[] = [];
    const address = await serve((request, response) => { starts.push(firstOf(request)); ranges.push(request.headers['if-range']); answer(request, response); });
    const job = jobFor(address);
    leavePart(job, FILE.subarray(0, 123_456), '"abc"');
    await download(job);
    expect(isWhole(job)).toBe(true);
    expect([starts, ranges]).toEqual([[123_456], ['"abc"']]);
  });

  it('takes over a part that is whole already', async () => {
    const job = jobFor('http://127.0.0.1:9/');
    leavePart(job, FILE);
    await download(job);
    expect(isWhole(job)).toBe(true);
  });

  it('starts over where the server ignores ranges', async () => {
    const address = await serve((_, response) => { response.writeHead(200, { 'content-length': FILE.length }).end(FILE); });
    const job = jobFor(address);
    leavePart(job, Buffer.alloc(1000, 7));
    await download(job);
    expect(isWhole(job)).toBe(true);
  });

  it('starts over where the part is of another file', async () => {
    const address = await serve((request, response) => { answer(request, response); });
    const job = jobFor(address);
    leavePart(job, Buffer.alloc(1000, 7));
    await download(job);
    expect(isWhole(job)).toBe(true);
    const longer = jobFor(address);
    leavePart(longer, Buffer.alloc(FILE.length + 5));
    await download(longer);
    expect(isWhole(longer)).toBe(true);
  });

  it('starts over where the server has fewer bytes than the part', async () => {
    const address = await serve((request, response) => {
      if (firstOf(request) > 0) response.writeHead(416).end();
      else answer(request, response);
    });
    const job = jobFor(address);
    leavePart(job, FILE.subarray(0, 1000));
    await download(job);
    expect(isWhole(job)).toBe(true);
  });

  it('refuses a file of another size before it is read', async () => {
    const address = await serve((request, response) => { answer(request, response, FILE.subarray(0, 1000)); });
    const job = jobFor(address);
    const error = await dataErrorOf(download(job));
    expect(error).toMatchObject({ kind: 'environment', advice: 'do this', file: job.file });
    expect(error.message).toBe(`${job.url} offers 1000 bytes; the file has 300000`);
    expect(existsSync(job.file)).toBe(false);
  });

  it('refuses a range that was not asked for', async () => {
    const address = await serve((_, response) => { response.writeHead(206, { 'content-range': `bytes 5-299999/300000` }).end(FILE.subarray(5)); });
    const job = jobFor(address);
    leavePart(job, FILE.subarray(0, 1000));
    expect((await dataErrorOf(download(job))).message).toContain('another range than asked for');
    expect(readFileSync(`${job.file}.part`)).toEqual(FILE.subarray(0, 1000));
  });

  it('stops reading a body that does not end', async () => {
    const address = await serve((_, response) => {
      response.writeHead(200);
      const more = (): void => { if (!response.destroyed) response.write(FILE, () => setTimeout(more, 1)); };
      more();
    });
    const job = jobFor(address);
    await download(job);
    expect(isWhole(job)).toBe(true);
  });

  it('refuses a file with another MD5, and keeps nothing of it', async () => {
    const wrong = Buffer.from(FILE).fill(1, 10, 11);
    const address = await serve((request, response) => { answer(request, response, wrong); });
    const job = jobFor(address);
    expect((await dataErrorOf(download(job))).message).toBe(`${job.url} gives a file whose MD5 is ${md5(wrong)}, not ${job.md5}`);
    expect(readdirSync(folderOf(job)).filter((name) => !name.endsWith('.etag'))).toEqual([]);
  });

  it('tries again after errors of the server, and gives up with what it said', async () => {
    let requests = 0;
    const address = await serve((request, response) => {
      if (++requests < 4) response.writeHead(503).end();
      else answer(request, response);
    });
    await download(jobFor(address));
    expect(requests).toBe(4);
    const failing = await serve((_, response) => { response.writeHead(500).end(); });
    const job = jobFor(failing, { attempts: 3 });
    expect((await dataErrorOf(download(job))).message).toBe(`${job.url} cannot be downloaded: the server answers 500 Internal Server Error`);
  });

  it('gives up at once where there is no such file', async () => {
    let requests = 0;
    const address = await serve((_, response) => { requests++; response.writeHead(404).end(); });
    expect((await dataErrorOf(download(jobFor(address)))).message).toContain('answers 404 Not Found');
    expect(requests).toBe(1);
  });

  it('says what is wrong without a network', async () => {
    const job = jobFor('http://127.0.0.1:9/', { attempts: 2 });
    const error = await dataErrorOf(download(job));
    expect(error).toMatchObject({ kind: 'environment', advice: 'do this' });
    expect(error.message).toMatch(/cannot be downloaded: .+/);
    expect(error.message).not.toContain('fetch failed');
    expect(readdirSync(folderOf(job))).toEqual([]);
  });

  it('gives up on a server that goes silent', async () => {
    const address = await serve((_, response) => { response.writeHead(200, { 'content-length': FILE.length }).write(FILE.subarray(0, 10)); });
    expect((await dataErrorOf(download(jobFor(address, { idle: 50, attempts: 1 })))).message).toContain('the server went silent');
  });

  it('stops when told to and keeps the part', async () => {
    const control = new AbortController();
    const address = await serve((_, response) => { response.writeHead(200, { 'content-length': FILE.length }).write(FILE.subarray(0, 1000)); });
    const job = jobFor(address, { signal: control.signal, progress: () => { control.abort(new Error('stopped')); } });
    await expect(download(job)).rejects.toThrow('stopped');
    expect(readFileSync(`${job.file}.part`)).toEqual(FILE.subarray(0, 1000));
    expect(existsSync(`${job.file}.lock`)).toBe(false);
  });

  it('is asked for once by two at the same time', async () => {
    let requests = 0;
    const address = await serve((request, response) => { requests++; setTimeout(() => { answer(request, response); }, 50); });
    const job = jobFor(address);
    await Promise.all([download(job), download(job)]);
    expect(requests).toBe(1);
    expect(isWhole(job)).toBe(true);
  });

  it('takes over the lock of one that died', async () => {
    const address = await serve((request, response) => { answer(request, response); });
    const job = jobFor(address);
    leavePart(job, FILE.subarray(0, 10));
    writeFileSync(`${job.file}.lock`, '');
    utimesSync(`${job.file}.lock`, new Date(0), new Date(0));
    await download(job);
    expect(isWhole(job)).toBe(true);
  });
});
