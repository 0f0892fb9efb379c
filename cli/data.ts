// zz data: fetches or imports a data set into the cache, and says what is in it.

import type { Dataset, Split } from '../runtime/data/dataset.ts';
import { at, EXIT, print, printJson, type Io } from './io.ts';
import type { AddCommand } from './command.ts';
import { offeringArgument } from './choice.ts';
import { BUILT_IN, isBuiltIn } from './settings.ts';
import { table } from './table.ts';

interface Options {
  readonly cache?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

export const dataCommand: AddCommand = (program, io, done) => {
  program
    .command('data')
    .summary('fetch or import a data set')
    .description('Downloads CIFAR-10 or imports a folder of images (train/<class>/*, test/<class>/*) into the cache, checks it, and says what is in it.')
    .addArgument(offeringArgument('<name>', 'cifar10, synthetic or a folder', BUILT_IN))
    .option('--cache <dir>', 'where data sets are kept (default: the user\'s cache directory)')
    .option('--json', 'one JSON object on standard output')
    .option('--quiet', 'no progress')
    .addHelpText('after', '\nExamples:\n  zz data cifar10\n  zz data photos/\n')
    .action(async (name: string, options: Options) => {
      await showData(name, options, io);
      done(EXIT.good);
    });
};

async function showData(name: string, { cache, json, quiet = false }: Options, io: Io): Promise<void> {
  const [{ openDataset }, { cacheDirectory }, { createDataProgress }] = await Promise.all([import('../runtime/data/open.ts'), import('../runtime/data/cache.ts'), import('./data-progress.ts')]);
  const progress = createDataProgress(io, quiet);
  const dataset = await openDataset(isBuiltIn(name) ? name : at(io, name), {
    progress: progress.update,
    cacheDir: cache === undefined ? cacheDirectory(io.env) : at(io, cache),
  }).finally(progress.stop);
  if (json) printJson(io, summary(dataset));
  else print(io, describe(dataset));
}

function perClass({ labels }: Split, classes: number): number[] {
  const counts = new Array<number>(classes).fill(0);
  for (const label of labels) counts[label] = (counts[label] ?? 0) + 1;
  return counts;
}

const summary = ({ name, shape, classes, train, test }: Dataset) => ({
  name,
  shape,
  classes,
  train: { images: train.count, perClass: perClass(train, classes.length) },
  test: { images: test.count, perClass: perClass(test, classes.length) },
});

function describe(dataset: Dataset): string {
  const { name, shape, classes, train, test } = summary(dataset);
  const rows = classes.map((label, i) => [label, String(train.perClass[i] ?? 0), String(test.perClass[i] ?? 0)]);
  return `${name}: images of ${shape.join(' x ')}, ${classes.length} classes\n\n${table([['class', 'train', 'test'], ...rows, ['all', String(train.images), String(test.images)]])}`;
}
