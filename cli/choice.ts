// Options that take one of a few words.

import { Option } from 'commander';

export const choice = (flags: string, description: string, words: readonly string[], fallback: string): Option => new Option(flags, description).choices(words).default(fallback);
