// The search: sections that have every word of a query, those that have it in their heading first. It runs in the page, over an index that lies beside it.

export interface Entry {
  readonly href: string;
  readonly page: string;
  readonly heading: string;
  readonly text: string;
}

export interface Found {
  readonly entry: Entry;
  /** What stands around the first word that was found in the text. */
  readonly excerpt: string;
}

const AROUND = 60;

/** Words match from their beginning: `conv` finds `convolution`. */
export function search(index: readonly Entry[], query: string, most = 12): Found[] {
  const words = query.toLowerCase().split(/[^\p{L}\p{N}_]+/u).filter((word) => word !== '');
  if (words.length === 0) return [];
  const patterns = words.map((word) => new RegExp(`(?<![\\p{L}\\p{N}])${word}`, 'giu'));
  const scored = index.flatMap((entry) => {
    const scores = patterns.map((pattern) => {
      const count = (text: string): number => text.match(pattern)?.length ?? 0;
      return 20 * Math.min(1, count(entry.heading)) + 3 * Math.min(1, count(entry.page)) + Math.min(8, count(entry.text));
    });
    return scores.every((score) => score > 0) ? [{ entry, score: scores.reduce((a, b) => a + b, 0) }] : [];
  });
  return scored.sort((a, b) => b.score - a.score).slice(0, most).map(({ entry }) => ({ entry, excerpt: excerptOf(entry.text, patterns) }));
}

function excerptOf(text: string, patterns: readonly RegExp[]): string {
  const places = patterns.map((pattern) => text.search(pattern)).filter((at) => at >= 0);
  const at = places.length === 0 ? 0 : Math.min(...places);
  const [start, end] = [Math.max(0, at - AROUND), Math.min(text.length, at + 2 * AROUND)];
  return `${start > 0 ? '…' : ''}${text.slice(start, end).trim()}${end < text.length ? '…' : ''}`;
}
