// Downloads one file: resumed after a break, checked against its MD5, and put in place only when whole.

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeFolder } from '../files.ts';
import { diskError, isMissing, locked } from './cache.ts';
import { DataError, type OnProgress } from './dataset.ts';

export interface Download {
  readonly url: string;
  readonly file: string;
  readonly md5: string;
  /** The size of the whole file; a server that offers another has another file. */
  readonly bytes: number;
  /** What to do without a network. */
  readonly advice: string;
  readonly progress?: OnProgress | undefined;
  readonly signal?: AbortSignal | undefined;
  /** How often to go on after a break that brought no byte, and how long to wait between, in ms. */
  readonly attempts?: number;
  readonly pause?: number;
  /** A connection that brings nothing for so long, in ms, is broken. */
  readonly idle?: number;
}

/** A break that may heal: the next attempt goes on from where this one stopped. */
class Break extends Error {}

/**
 * Gets the file unless it is there whole. A part that was fetched stays in `file.part` for the next time, also over restarts.
 * Throws DataError (environment) where there is no network, the server refuses, or what it gives is not the file.
 */
export async function download(job: Download): Promise<void> {
  const { file, md5, bytes } = job;
  if ((await sizeOf(file)) === bytes && (await md5Of(file)) === md5) return;
  await locked(`${file}.lock`, async () => {
    if ((await sizeOf(file)) === bytes && (await md5Of(file)) === md5) return;
    const part = `${file}.part`;
    const resumed = (await sizeOf(part)) > 0;
    await fetchAll(job, part);
    let found = await md5Of(part);
    if (found !== md5 && resumed) {
      // The older part may be of another file: once more from the start.
      await rm(part, { force: true });
      await fetchAll(job, part);
      found = await md5Of(part);
    }
    if (found !== md5) {
      await rm(part, { force: true });
      throw new DataError('environment', `${job.url} gives a file whose MD5 is ${found}, not ${md5}`, job.advice, { file });
    }
    await rename(part, file);
    await rm(`${part}.etag`, { force: true });
  }, job.signal);
}

/** Fetches until the part is whole, going on after breaks as long as each attempt brings something. */
async function fetchAll(job: Download, part: string): Promise<void> {
  const { attempts = 5, pause = 1000, signal } = job;
  await makeFolder(dirname(part)).catch((error: unknown) => { throw diskError(error, part); });
  let furthest = await sizeOf(part);
  for (let left = attempts; ;) {
    try {
      await fetchOnce(job, part);
      return;
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof Break)) throw diskError(error, part);
      const size = await sizeOf(part);
      left = size > furthest ? attempts : left - 1;
      furthest = Math.max(furthest, size);
      if (left <= 0) throw new DataError('environment', `${job.url} cannot be downloaded: ${error.message}`, job.advice, { file: job.file, cause: error });
      await sleep(pause * (attempts - left), undefined, { ...(signal && { signal }) });
    }
  }
}

/** One request for what is missing. Throws Break where the connection fails or ends early. */
async function fetchOnce(job: Download, part: string): Promise<void> {
  const { url, bytes, progress } = job;
  const have = await sizeOf(part);
  if (have === bytes) return;
  const usable = have < bytes ? have : 0;
  const validator = await readFile(`${part}.etag`, 'utf8').catch(() => '');
  const control = new AbortController();
  const stop = (): void => { control.abort(); };
  job.signal?.addEventListener('abort', stop, { once: true });
  const watchdog = setTimeout(stop, job.idle ?? 30_000);
  try {
    const headers = {
      'accept-encoding': 'identity',
      ...(usable > 0 && { range: `bytes=${usable}-` }),
      ...(usable > 0 && validator && { 'if-range': validator }),
    };
    const response = await fetch(url, { headers, signal: control.signal }).catch((error: unknown) => { throw new Break(reasonOf(error)); });
    if (response.status === 416) {
      await rm(part, { force: true });
      throw new Break('the server has no more bytes than were fetched before');
    }
    const start = startOf(response, usable, job);
    const tag = response.headers.get('etag');
    if (tag && !tag.startsWith('W/')) await writeFile(`${part}.etag`, tag);
    else await rm(`${part}.etag`, { force: true });
    await append(part, start, bytes, response, (done) => {
      watchdog.refresh();
      progress?.({ phase: 'download', unit: 'bytes', done, total: bytes });
    });
  } finally {
    clearTimeout(watchdog);
    job.signal?.removeEventListener('abort', stop);
    control.abort();
  }
}

/** Where the answer's first byte stands in the file: 0 from a server that ignores the range, or has another file by now. */
function startOf(response: Response, asked: number, { url, bytes, advice, file }: Download): number {
  const refuse = (problem: string): never => {
    throw new DataError('environment', `${url} ${problem}`, advice, { file });
  };
  const { status } = response;
  if (status >= 500 || status === 408 || status === 429) throw new Break(`the server answers ${status} ${response.statusText}`);
  if (status !== 200 && status !== 206) return refuse(`answers ${status} ${response.statusText}`);
  const [, first, , whole] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(response.headers.get('content-range') ?? '') ?? [];
  if (status === 206 && (first === undefined || Number(first) !== asked)) return refuse('answers with another range than asked for');
  const length = status === 206 ? whole : (response.headers.get('content-length') ?? undefined);
  if (length !== undefined && length !== '*' && Number(length) !== bytes) return refuse(`offers ${length} bytes; the file has ${bytes}`);
  return status === 206 ? asked : 0;
}

/** Writes the answer's body into the part from `start`. Throws Break where it ends before `bytes`; what comes after them is not read. */
async function append(part: string, start: number, bytes: number, response: Response, onBytes: (done: number) => void): Promise<void> {
  const file = await open(part, 'a');
  let done = start;
  try {
    await file.truncate(start);
    const reader = response.body?.getReader();
    while (reader && done < bytes) {
      const { value, done: ended } = await reader.read().catch((error: unknown) => { throw new Break(reasonOf(error)); });
      if (ended) break;
      const chunk = (value as Uint8Array).subarray(0, bytes - done);
      await file.appendFile(chunk);
      onBytes(done += chunk.length);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  if (done < bytes) throw new Break(`the connection ended after ${done} of ${bytes} bytes`);
}

/** What lies behind a failed fetch: "fetch failed" alone says nothing. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'AbortError') return 'the server went silent';
  return error.cause instanceof Error ? reasonOf(error.cause) : error.message;
}

const sizeOf = async (file: string): Promise<number> =>
  stat(file).then(({ size }) => size, (error: unknown) => {
    if (isMissing(error)) return 0;
    throw diskError(error, file);
  });

async function md5Of(file: string): Promise<string> {
  const digest = createHash('md5');
  for await (const chunk of createReadStream(file)) digest.update(chunk as Buffer);
  return digest.digest('hex');
}
