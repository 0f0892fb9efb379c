// The compiler's workers: one answers the editor, one makes stages, so that neither waits for the other.

import { wrap } from 'comlink';
import type { Remote } from 'comlink';
import type { Compiler } from './worker.ts';

const start = (name: string): Remote<Compiler> => wrap<Compiler>(new Worker(new URL('./worker.ts', import.meta.url), { type: 'module', name }));

export const language = start('language');
export const stages = start('stages');
