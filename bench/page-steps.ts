// What a page tells its reader to do, in order: files to write, which name themselves in their first line, and commands to type.

export type PageStep = { readonly file: string; readonly text: string } | { readonly command: string };

export const stepsOf = (page: string): PageStep[] =>
  [...page.matchAll(/^```(\w*)\n(.*?)^```$/gms)].flatMap(([, language = '', text = '']): PageStep[] => {
    if (language === 'console') return [...text.matchAll(/^\$ (.*)$/gm)].map(([, command = '']) => ({ command }));
    const [, file] = /^\/\/ (\w+\.\w+)\n/.exec(text) ?? [];
    return file === undefined ? [] : [{ file, text }];
  });
