// What two texts do not share.

import type { Span } from '../../compiler/diagnostics.ts';

/** What a text does not share with an old one at both ends, as a part of the old one. In the text itself it ends later by as much as that is longer. */
export function changeOf(old: string, text: string): Span {
  const room = Math.min(old.length, text.length);
  let start = 0;
  while (start < room && old.charCodeAt(start) === text.charCodeAt(start)) start++;
  let end = 0;
  while (end < room - start && old.charCodeAt(old.length - 1 - end) === text.charCodeAt(text.length - 1 - end)) end++;
  return { start, end: old.length - end };
}
