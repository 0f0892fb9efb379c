// How a run is set up, as it is typed; part of the page's address.

import type { BackendName } from './messages.ts';
import { BACKENDS } from './messages.ts';

export interface Setup {
  readonly data: 'synthetic' | 'own';
  /** Numbers as they were typed; empty for all images, the net's own epochs. */
  readonly images: string;
  readonly width: string;
  readonly epochs: string;
  readonly backend: BackendName;
}

export const SETUP: Setup = { data: 'synthetic', images: '', width: '1', epochs: '', backend: 'auto' };

/** What an address kept of a setup; the user's own images are not in it. */
export function setupOf(value: unknown): Setup {
  const given = (typeof value === 'object' && value !== null ? value : {}) as Readonly<Record<string, unknown>>;
  const number = (key: 'images' | 'width' | 'epochs'): string => {
    const text = given[key];
    return typeof text === 'string' && /^[\d.]{0,12}$/.test(text) ? text : SETUP[key];
  };
  return { data: 'synthetic', images: number('images'), width: number('width'), epochs: number('epochs'), backend: BACKENDS.find((each) => each === given['backend']) ?? SETUP.backend };
}

/** The numbers of a setup. Undefined where one of them makes no sense; the form says which. */
export function numbersOf({ images, width, epochs }: Setup): { readonly images?: number; readonly width: number; readonly epochs?: number } | undefined {
  const whole = (text: string): number | undefined => (text === '' ? undefined : Number(text));
  const [count, factor, times] = [whole(images), width === '' ? 1 : Number(width), whole(epochs)];
  const sound = (value: number | undefined): boolean => value === undefined || (Number.isSafeInteger(value) && value >= 1);
  if (!sound(count) || !sound(times) || !(factor > 0 && factor <= 16)) return undefined;
  return { ...(count !== undefined && { images: count }), width: factor, ...(times !== undefined && { epochs: times }) };
}
