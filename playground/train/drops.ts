// What is done with what is dropped on the page.

import { filesOf, isImage } from './dropped.ts';
import type { Dropped } from './messages.ts';

export interface Takers {
  /** A .zz file. */
  readonly source: (file: File) => void;
  /** One image, where `predicts` says that something can be said of it. */
  readonly image: (file: File) => void;
  readonly data: (files: readonly Dropped[]) => void;
  readonly predicts: () => boolean;
}

export function takeDrops({ source, image, data, predicts }: Takers): void {
  const { body } = document;
  const holdsFiles = ({ dataTransfer }: DragEvent): boolean => dataTransfer?.types.includes('Files') ?? false;
  window.addEventListener('dragover', (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    body.classList.add('dropping');
  });
  window.addEventListener('dragleave', ({ relatedTarget }) => {
    if (relatedTarget === null) body.classList.remove('dropping');
  });
  // Before the editor, which would take the text of files.
  window.addEventListener('drop', (event) => {
    body.classList.remove('dropping');
    if (!holdsFiles(event) || !event.dataTransfer) return;
    event.preventDefault();
    event.stopPropagation();
    void filesOf(event.dataTransfer).then((files) => {
      const [only, ...more] = files;
      if (only && more.length === 0 && only.path.endsWith('.zz')) source(only.file);
      else if (only && more.length === 0 && isImage(only) && predicts()) image(only.file);
      else data(files);
    });
  }, { capture: true });
}
