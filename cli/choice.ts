// Options and arguments that take one of a few words.

import { Argument, InvalidArgumentError, Option } from 'commander';
import { didYouMean } from './io.ts';

/** The word, if it is one of these; otherwise the nearest is proposed. */
export const oneOf = (words: readonly string[]) => (given: string): string => {
  if (words.includes(given)) return given;
  throw new InvalidArgumentError(`${didYouMean(given, words)}Allowed choices are ${words.join(', ')}.`);
};

export const choice = (flags: string, description: string, words: readonly string[], fallback?: string): Option => {
  const option = new Option(flags, description).choices(words).argParser(oneOf(words));
  return fallback === undefined ? option : option.default(fallback);
};

export const choiceArgument = (name: string, description: string, words: readonly string[]): Argument => new Argument(name, description).choices(words).argParser(oneOf(words));

/** An option or argument with words that the Tab key offers. */
export type Offering<T> = T & { readonly offers?: readonly string[] };

/** An option that takes these words among others, or whose command checks them itself. */
export const offering = (flags: string, description: string, words: readonly string[]): Offering<Option> => Object.assign(new Option(flags, description), { offers: words });

export const offeringArgument = (name: string, description: string, words: readonly string[]): Offering<Argument> => Object.assign(new Argument(name, description), { offers: words });
