// The version in package.json, from the sources as from dist/.

import { existsSync, readFileSync } from 'node:fs';

const candidates = [new URL('../package.json', import.meta.url), new URL('../../package.json', import.meta.url)];
const found = candidates.find((url) => existsSync(url));

export const VERSION: string = found ? (JSON.parse(readFileSync(found, 'utf8')) as { version: string }).version : '0.0.0';
