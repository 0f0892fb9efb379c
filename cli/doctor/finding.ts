// What a look at one part of the machine finds.

export interface Finding {
  readonly what: string;
  readonly state: 'ok' | 'missing' | 'broken';
  readonly detail: string;
  readonly advice?: string;
}

/** The first line of what went wrong. */
export const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '';
