// What the runtime reports about what the user gave it (a run directory, a checkpoint, settings): exit status 1.

export class RunError extends Error {
  /** What to do about it. */
  readonly advice: string;
  constructor(message: string, advice: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'RunError';
    this.advice = advice;
  }
}
