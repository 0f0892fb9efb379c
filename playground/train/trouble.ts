// Errors of the worker as plain data: what is thrown there has its advice lost on the way to the page.

import { BackendError } from '../../runtime/backend.ts';
import { DataError } from '../../runtime/data/dataset.ts';
import { RunError } from '../../runtime/errors.ts';
import type { Outcome, Trouble } from './messages.ts';

/** What the user, the browser or the data cannot: with a way out that this page has. */
export class PageError extends Error {
  readonly advice: string;
  constructor(message: string, advice: string) {
    super(message);
    this.name = 'PageError';
    this.advice = advice;
  }
}

export function troubleOf(error: unknown): Trouble {
  if (error instanceof PageError || error instanceof DataError || error instanceof RunError) return { message: error.message, advice: error.advice };
  // Its own advice speaks of the command line.
  if (error instanceof BackendError) return { message: error.message, advice: 'Choose another backend, a smaller width, or a smaller batch in the net\'s train block.' };
  return { message: `the playground failed in a way it should not: ${error instanceof Error ? error.message : String(error)}`, advice: 'Please report it, with the text of the net.' };
}

export async function outcomeOf<T>(work: () => Promise<T>): Promise<Outcome<T>> {
  try {
    return { value: await work() };
  } catch (error) {
    return { trouble: troubleOf(error) };
  }
}
