// What a command's file gives to the program.

import type { Command } from 'commander';
import type { Io } from './io.ts';

/** Adds a command to the program. `done` takes the exit status of its run. */
export type AddCommand = (program: Command, io: Io, done: (status: number) => void) => void;
