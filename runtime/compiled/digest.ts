// Whether an artefact's programs are as they were compiled.

import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import type { ProgramSet } from '../../compiler/5-emit/artefact.ts';

/** SHA-256 of the programs' JSON. */
export const digestOfPrograms = (programs: ProgramSet<unknown>): string => `sha256:${bytesToHex(sha256(new TextEncoder().encode(JSON.stringify(programs))))}`;
