// A queue that gives the smallest entry first: a binary heap in an array.

export interface Queue<T> {
  add(entry: T): void;
  /** Takes the smallest entry out; undefined where there is none. */
  take(): T | undefined;
}

/** A queue in which `before(a, b)` says that a comes out earlier than b. */
export function createQueue<T>(before: (a: T, b: T) => boolean): Queue<T> {
  const heap: T[] = [];
  /** Whether the entry at i comes before the one at j, if there are both. */
  const less = (i: number, j: number): boolean => {
    const [a, b] = [heap[i], heap[j]];
    return a !== undefined && b !== undefined && before(a, b);
  };
  const swap = (i: number, j: number): void => {
    const [a, b] = [heap[i], heap[j]];
    if (a !== undefined && b !== undefined) [heap[i], heap[j]] = [b, a];
  };
  return {
    add(entry) {
      heap.push(entry);
      for (let i = heap.length - 1, parent = (i - 1) >> 1; i > 0 && less(i, parent); i = parent, parent = (i - 1) >> 1) swap(i, parent);
    },
    take() {
      swap(0, heap.length - 1);
      const least = heap.pop();
      for (let i = 0; ; ) {
        const child = less(2 * i + 2, 2 * i + 1) ? 2 * i + 2 : 2 * i + 1;
        if (!less(child, i)) return least;
        swap(i, child);
        i = child;
      }
    },
  };
}
