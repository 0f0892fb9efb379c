// Names of source files in what is given to others.

/** A path's last part: the rest would tell others of this machine. */
export const fileName = (path: string): string => path.split(/[/\\]/).at(-1) ?? path;
