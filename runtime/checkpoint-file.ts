// Checkpoints on the disk.

import { asCheckpoint, encodeCheckpoint, type Checkpoint } from './checkpoint.ts';
import { writeWhole } from './files.ts';
import { readSafetensors } from './tensor-file.ts';

/** Replaces the file at `path`; a crash on the way leaves the old one. */
export const writeCheckpoint = (path: string, checkpoint: Checkpoint): Promise<void> => writeWhole(path, encodeCheckpoint(checkpoint));

/** Throws RunError where the file is damaged, of a later version, or no checkpoint; system errors pass through. */
export const readCheckpoint = async (path: string): Promise<Checkpoint> => asCheckpoint(path, await readSafetensors(path));
