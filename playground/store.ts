// One state for the page: replaced as a whole, and whoever listens hears of it once a frame.

export interface Store<S> {
  readonly get: () => S;
  readonly set: (change: Partial<S>) => void;
  /** Calls at once, and then after changes. */
  readonly listen: (hear: (state: S) => void) => void;
}

export function createStore<S extends object>(initial: S): Store<S> {
  let state = initial;
  let due = false;
  const listeners: ((state: S) => void)[] = [];
  return {
    get: () => state,
    set(change) {
      const changed = (Object.keys(change) as (keyof S)[]).some((key) => change[key] !== state[key]);
      if (!changed) return;
      state = { ...state, ...change };
      if (due) return;
      due = true;
      requestAnimationFrame(() => {
        due = false;
        for (const hear of listeners) hear(state);
      });
    },
    listen(hear) {
      listeners.push(hear);
      hear(state);
    },
  };
}
