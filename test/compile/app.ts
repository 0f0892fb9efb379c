// An application's folder, with the package as its dependency; images to train on; and the modules that zz compile makes there.

import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { expect } from 'vitest';
import { openDataset } from '../../runtime/data/open.ts';
import { uniforms } from '../../runtime/random.ts';
import type { Dataset } from '../../runtime/data/dataset.ts';
import { build } from '../cli/built.ts';
import { zz } from '../cli/zz.ts';
import { bundlePage } from '../../scripts/page.js';

export const ROOT = join(import.meta.dirname, '../..');

/** Every net of dsl-examples/, by a name that is an identifier. */
export const NETS = {
  caseA: 'case-a.zz', caseB: 'case-b.zz', caseC: 'case-c.zz', caseD: 'case-d.zz', caseE: 'case-e.zz', caseECrossed: 'case-e-crossed.zz', caseEManual: 'case-e-manual.zz',
  mlp: 'mlp.zz', residual: 'residual.zz:Residual', siamese: 'siamese.zz', threeStreams: 'three-streams.zz',
} as const;
export type NetName = keyof typeof NETS;

export interface App {
  readonly folder: string;
  /** The command line, for a process of its own. */
  readonly main: string;
  readonly dataset: Dataset;
  readonly zz: (...argv: string[]) => Promise<void>;
  readonly remove: () => Promise<void>;
}

const CLASSES = ['ant', 'bee', 'cow', 'dog', 'elk', 'fox', 'gnu', 'hen', 'ibex', 'jay'];

/** Makes the folder. It lies below node_modules, where what the package imports is found. `page` says whether the runtime of pages is wanted. */
export async function createApp({ page = false } = {}): Promise<App> {
  const built = build();
  if (page) await bundlePage(join(built.folder, 'cli/compile'));
  const folder = await mkdtemp(join(ROOT, 'node_modules/.cache/app-'));
  await mkdir(join(folder, 'node_modules'));
  await symlink(built.folder, join(folder, 'node_modules/zigzag-nn'));
  await writeFile(join(folder, 'package.json'), JSON.stringify({ type: 'module' }));
  await drawImages(join(folder, 'images'));
  const env = { ZZ_CACHE: join(folder, 'cache') };
  return {
    folder,
    main: built.main,
    dataset: await openDataset(join(folder, 'images'), { shape: [32, 32, 3], cacheDir: env.ZZ_CACHE }),
    zz: async (...argv) => {
      const { status, stderr } = await zz(argv, { cwd: folder, env });
      expect(status, stderr).toBe(0);
    },
    remove: async () => {
      await rm(folder, { recursive: true });
      built.remove();
    },
  };
}

/** Two training images and one test image of each class: noise of a tint. */
async function drawImages(folder: string): Promise<void> {
  const next = uniforms(7);
  for (const [split, each] of [['train', 2], ['test', 1]] as const) {
    for (const [label, name] of CLASSES.entries()) {
      await mkdir(join(folder, split, name), { recursive: true });
      for (let i = 0; i < each; i++) {
        const pixels = Uint8Array.from({ length: 32 * 32 * 3 }, (_, j) => Math.floor(120 * next() + 13 * label + (j % 3 === label % 3 ? 40 : 0)));
        await sharp(pixels, { raw: { width: 32, height: 32, channels: 3 } }).png().toFile(join(folder, split, name, `${i}.png`));
      }
    }
  }
}

export const example = (net: NetName): string => join(ROOT, 'dsl-examples', NETS[net]);
