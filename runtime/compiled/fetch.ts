// Reads what a server has.

import { RunError } from '../errors.ts';

/** The bytes at an address. Throws RunError where there are none. */
export async function fetchBytes(url: URL): Promise<Uint8Array> {
  const refused = (why: string, cause?: unknown): RunError => new RunError(`${url.href} cannot be read: ${why}`, 'Check the address of the weights, and that the server lets this page read it.', { cause });
  const response = await fetch(url).catch((cause: unknown) => {
    throw refused(cause instanceof Error ? cause.message : String(cause), cause);
  });
  if (!response.ok) throw refused(`the server answers ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}
