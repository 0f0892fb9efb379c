// The option --tune, which commands that train have.

import { Option } from 'commander';
import { oneOf } from '../choice.ts';

const LEVELS = ['off', 'quick', 'full'] as const;
export type TuneFlag = (typeof LEVELS)[number];

export const tuneOption = (): Option =>
  new Option('--tune <level>', 'measure on the GPU which tiles are fastest, once for each size: not at all, the likeliest, or all (default: quick on a GPU)').choices(LEVELS).argParser(oneOf(LEVELS));
