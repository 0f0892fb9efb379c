// The tables of docs/benchmarks.md, from the records in bench/results/: only what was measured.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { readRecord } from '../../bench/record.ts';
import type { Recorded } from '../../bench/record.ts';
import type { CheckRow, EditorRow, GradientRow, ProcessorRow, ProductRow, QuickstartRow, StepRow, TrainRow } from '../../bench/rows.ts';
import { groupBy } from '../../compiler/2-graph/group-by.ts';
import { ROOT } from './errors.ts';
import { code, table } from './markdown.ts';

const RESULTS = join(ROOT, 'bench/results');

/** The records of a benchmark, by file. */
const recordsOf = <Row>(benchmark: string): Recorded<Row>[] =>
  readdirSync(RESULTS, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.json'))
    .sort()
    .flatMap((file) => readRecord<Row>(join(RESULTS, file)) ?? [])
    .filter((record) => record.benchmark === benchmark);

const NONE = 'Nothing is recorded yet.';

/** A section for each record: where and how it was run, then its table. */
function sections<Row>(benchmark: string, head: readonly string[], rowsOf: (rows: readonly Row[], options: Recorded<Row>['options']) => readonly (readonly string[])[]): string {
  const all = recordsOf<Row>(benchmark).map(({ machine, versions, date, command, rows, options }) => {
    const where = [machine.gpu ?? `${machine.cores} x ${machine.cpu}`, ...(machine.driver === null ? [] : [`driver ${machine.driver}`])].join(', ');
    const made = Object.entries(versions).map(([what, version]) => `${what} ${version}`).join(', ');
    return `${where}; ${made}; ${date}: \`${command}\`\n\n${table(head, rowsOf(rows, options))}`;
  });
  return all.length === 0 ? NONE : all.join('\n\n');
}

/** So many significant digits, and all those before the point. */
const digits = (value: number, significant = 3): string => value.toLocaleString('en', { maximumSignificantDigits: Math.max(significant, Math.floor(Math.log10(value)) + 1), useGrouping: false });

const milliseconds = (rows: readonly StepRow[]): string => {
  const best = rows.flatMap(({ ms, how }) => (ms ? [{ median: ms.median, how }] : [])).sort((a, b) => a.median - b.median)[0];
  return best ? digits(best.median) : '–';
};

/** The fastest of the modes that compile, and which it is, behind the eager one. */
function ofTorch(rows: readonly StepRow[], precision: string): string {
  const own = rows.filter(({ who, how }) => who === 'torch' && how.endsWith(` ${precision}`));
  const isEager = ({ how }: StepRow): boolean => how.startsWith('eager');
  return `${milliseconds(own.filter(isEager))} / ${milliseconds(own.filter((row) => !isEager(row)))}`;
}

const ofZigzag = (rows: readonly StepRow[], precision: string): string => milliseconds(rows.filter(({ who, how }) => who === 'zigzag' && how.endsWith(` ${precision}`)));

export const stepTables = (): string =>
  sections<StepRow>('steps', ['net', 'readings', 'ZigZag f32', 'ZigZag f16', 'PyTorch fp32', 'PyTorch TF32', 'PyTorch bf16', 'TensorFlow.js'], (rows) =>
    [...groupBy(rows, ({ net, readings }) => `${net} ${readings}`).values()].map((own) => [
      own[0]?.net ?? '', String(own[0]?.readings ?? ''),
      ofZigzag(own, 'f32'), ofZigzag(own, 'f16'),
      ofTorch(own, 'fp32'), ofTorch(own, 'tf32'), ofTorch(own, 'bf16'),
      milliseconds(own.filter(({ who }) => who === 'tfjs')),
    ]));

const error = (value: number | null): string => value?.toExponential(1) ?? 'not finite';

export const gradientTables = (): string =>
  sections<GradientRow>('gradients', ['net', 'readings', 'on', 'largest error', 'of', "PyTorch's own rounding"], (rows) =>
    rows.map(({ net, readings, device, error: largest, weight, rounding }) => [net, String(readings), device, error(largest), `%${weight}`, error(rounding)]));

const percent = (share: number | null): string => (share === null ? '–' : (100 * share).toFixed(1));

export const trainTables = (): string =>
  sections<TrainRow>('train', ['net', 'width', 'on', 'epochs', 'minutes', 'images/s', 'training accuracy', 'test accuracy', 'best'], (rows, { width }) =>
    rows.map(({ net, backend, epochs, trainingMinutes, imagesPerSecond, train, test, bestTest }) => [
      net, String(width), backend, String(epochs), trainingMinutes.toFixed(1), imagesPerSecond.toFixed(0), percent(train.accuracy), percent(test.accuracy), percent(bestTest),
    ]));

export const checkTables = (): string =>
  sections<CheckRow>('check', ['adapter', 'passed', 'failed', 'skipped'], (rows) => rows.map(({ adapter, passed, failed, skipped }) => [adapter, String(passed), String(failed.length), String(skipped)]));

export const productTables = (): string => {
  const percentOf = (share: number | undefined): string => (share === undefined ? '–' : `${(100 * share).toFixed(0)} %`);
  return sections<ProductRow>('products', ['what', 'GFLOP/s on 1 thread', 'of the bare loop', 'on 2', 'of the bare loop', '2 threads to 1'], (rows) =>
    rows.map(({ name, gflops, share, speedup }) => [name, gflops['1']?.toFixed(1) ?? '–', percentOf(share['1']), gflops['2']?.toFixed(1) ?? '–', percentOf(share['2']), speedup.toFixed(2)]));
};

export const quickstartTables = (): string =>
  sections<QuickstartRow>('quickstart', ['command', 'seconds', 'ends with'], (rows) => rows.map(({ command, seconds, said }) => [code(command), seconds.toFixed(1), said === '' ? '' : code(said)]));

export const editorTables = (): string =>
  sections<EditorRow>('editor', ['request', 'asked', 'median', 'at most', 'over 50', "median of the server's thread", 'at most'], (rows) =>
    rows.map(({ request, asked, waited, thread }) => [code(request), String(asked), waited.median.toFixed(1), waited.most.toFixed(1), String(waited.late), thread?.median.toFixed(1) ?? '–', thread?.most.toFixed(1) ?? '–']));

/** Who did how much, and how often the slower one's work the wasm backend does on as many threads, or on one if that takes no threads. */
export const processorTables = (): string =>
  sections<ProcessorRow>('processor', ['net', 'task', 'by', 'threads', 'images a step', 'ms a step', 'images a second', 'the wasm backend does'], (rows) =>
    rows.map(({ net, task, who, threads, readings, ms, readingsPerSecond }) => {
      const own = rows.find((row) => row.net === net && row.task === task && row.who === 'zigzag wasm' && row.threads === threads);
      const ratio = own && own.who !== who ? `${digits(own.readingsPerSecond / readingsPerSecond)} times as many` : '';
      return [net, task, who, String(threads), String(readings), digits(ms.median, 4), digits(readingsPerSecond), ratio];
    }));

/** For the README: images a second of one net on the processor, a line for each participant on all the threads that it takes. */
export const headlineTable = (): string => {
  const [record] = recordsOf<ProcessorRow>('processor');
  if (!record) return NONE;
  const { machine, versions, date, rows } = record;
  const own = rows.filter(({ net }) => net === 'case-d');
  const lines = [...groupBy(own, ({ who }) => who)].map(([who, all]) => {
    const threads = Math.max(...all.map((row) => row.threads));
    const rate = (task: ProcessorRow['task']): string => {
      const row = all.find((each) => each.task === task && each.threads === threads);
      return row ? digits(row.readingsPerSecond) : '';
    };
    const [library = '', ...mode] = who.split(' ');
    return [[library, versions[library]?.split(' ')[0], ...mode].join(' '), String(threads), rate('train'), rate('predict')];
  });
  return `${table(['', 'threads', 'trains, images/s', 'predicts, images/s'], lines)}\n\n${machine.cores} x ${machine.cpu}, Node ${versions['node'] ?? ''}, ${date}`;
};
