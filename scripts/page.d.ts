/** Writes page-runtime.js into a folder. */
export function bundlePage(folder: string): Promise<void>;
