// The page's address holds what is on it: JSON, deflated, as base64 for addresses (RFC 4648, section 5), behind the #.

const PREFIX = '#zz=';

/** Browsers give up on addresses of megabytes. */
const LONGEST = 500_000;

const through = async (bytes: BlobPart, stream: CompressionStream | DecompressionStream): Promise<ArrayBuffer> =>
  new Response(new Blob([bytes]).stream().pipeThrough(stream)).arrayBuffer();

/** The part of an address behind its path. Undefined where it would be too long. */
export async function toHash(value: unknown): Promise<string | undefined> {
  const packed = new Uint8Array(await through(JSON.stringify(value), new CompressionStream('deflate-raw')));
  if (packed.length > LONGEST) return undefined;
  let binary = '';
  for (const byte of packed) binary += String.fromCharCode(byte);
  return PREFIX + btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/** What `toHash` was given. Undefined where the hash is of something else; throws where it is damaged. */
export async function fromHash(hash: string): Promise<unknown> {
  if (!hash.startsWith(PREFIX)) return undefined;
  const binary = atob(hash.slice(PREFIX.length).replaceAll('-', '+').replaceAll('_', '/'));
  const packed = Uint8Array.from(binary, (character) => character.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(await through(packed, new DecompressionStream('deflate-raw'))));
}
