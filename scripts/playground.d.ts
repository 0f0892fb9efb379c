/** Builds the playground, a static site, into a folder. */
export declare function buildPlayground(folder: string): Promise<void>;
