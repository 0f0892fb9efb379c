// What is dropped on the page, or chosen: files, with the folders that they lie in.

import type { Dropped } from './messages.ts';

/** All files, those of folders with their paths. To be called before the drop's event is over. */
export async function filesOf({ items }: DataTransfer): Promise<Dropped[]> {
  const entries = [...items].flatMap((item) => (item.kind === 'file' ? [item.webkitGetAsEntry() ?? item.getAsFile()] : []));
  const found = await Promise.all(entries.map(async (entry) => (entry === null ? [] : entry instanceof File ? [{ path: entry.name, file: entry }] : filesIn(entry))));
  return found.flat();
}

async function filesIn(entry: FileSystemEntry): Promise<Dropped[]> {
  const path = entry.fullPath.replace(/^\//, '');
  if (entry.isFile) return [{ path, file: await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject)) }];
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const inside: FileSystemEntry[] = [];
  // A reader gives a hundred entries at once, and none at the end.
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) break;
    inside.push(...some);
  }
  return (await Promise.all(inside.map(filesIn))).flat();
}

/** The files of an input, which may be those of a folder. */
export const chosenFiles = (input: HTMLInputElement): Dropped[] => [...(input.files ?? [])].map((file) => ({ path: file.webkitRelativePath || file.name, file }));

export const isImage = ({ path }: Dropped): boolean => /\.(png|jpe?g|webp)$/i.test(path);
