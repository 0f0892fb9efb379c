// Normalisation per batch. Each thread finds the mean and the sum of squared deviations of its chunk of readings, element by element (B. P. Welford, "Note on a method for
// calculating corrected sums of squares and products", 1962); those of all readings follow from the chunks' without loss of digits (T. F. Chan, G. H. Golub and
// R. J. LeVeque, "Algorithms for computing the sample variance", 1983).

import type { DeviceProfile, WebGpuStep } from '../../model.ts';
import { stepOf } from '../shader.ts';
import { chunkSize, columnsOf, isStored, overReadings, readingsOf, storedAt, typeOf, type Reading } from './reading.ts';
import { bound, MOMENTS } from './text.ts';

/** Statements that take the moments of a chunk's values: before them all, for each `value`, and after them. */
export function momentsOf({ shape, firstChunk }: Reading): { readonly before: string[]; readonly body: string[]; readonly after: string[] } {
  const [type, columns] = [typeOf(shape), columnsOf(shape)];
  const at = `${firstChunk === 0 ? 'chunk' : `(chunk + ${firstChunk})`} * ${2 * columns} + column`;
  return {
    before: ['var count = 0.0;', `var mean = ${type}();`, `var squares = ${type}();`],
    body: ['count += 1.0;', 'let away = value - mean;', 'mean += away * (1.0 / count);', 'squares += away * (value - mean);'],
    after: [`moments[${at}] = mean;`, `moments[${at} + ${columns}] = squares;`],
  };
}

/** The shape of the moments of so many chunks: of each the means, then the sums. */
export const momentsShape = (shape: Reading['shape'], chunks: number): number[] => [chunks, 2, ...shape];

/** A deviation this small is rounding: the centred value is 0 then, or as good as. */
const FLAT = '1e-6f';

/** Normalises the readings of a view in place, by the moments of `all` views. */
export function normalizeStep(reading: Reading, all: readonly Reading[], { limits }: DeviceProfile): WebGpuStep {
  const { view, leaf, shape } = reading;
  const [type, columns] = [typeOf(shape), columnsOf(shape)];
  const chunks = all.reduce((sum, each) => sum + each.chunks, 0);
  const share = 1 / all.reduce((sum, each) => sum + readingsOf(each), 0);
  const guard = isStored(reading);
  const at = `${storedAt(reading)} * ${columns} + column`;
  const set = `readings[${at}] = (readings[${at}] - mean) * scale;`;
  const ofChunk = (what: string): string => `moments[i * ${2 * columns}${what} + column]`;
  return stepOf({
    name: `data_${view.name}_normalized`,
    bindings: bound([
      { name: 'moments', type: `array<${type}>`, id: MOMENTS, access: 'read' },
      { name: 'readings', type: `array<${type}>`, id: leaf.id, access: 'write' },
    ]),
    helpers: new Map([['counted', countedText(all)]]),
    ...overReadings(reading, {
      before: [
        `var mean = ${type}();`,
        `for (var i = 0; i < ${chunks}; i++) { mean += counted(i) * ${ofChunk('')}; }`,
        `mean *= ${share};`,
        `var squares = ${type}();`,
        `for (var i = 0; i < ${chunks}; i++) {`,
        `  let away = ${ofChunk('')} - mean;`,
        `  squares += ${ofChunk(` + ${columns}`)} + counted(i) * away * away;`,
        '}',
        `let deviation = sqrt(squares * ${share});`,
        `let scale = select(1.0 / deviation, ${type}(1.0), deviation < ${type}(${FLAT}));`,
      ],
      body: [guard === undefined ? set : `if ${guard} { ${set} }`],
      after: [],
    }, limits),
  });
}

/** How many readings a chunk has, chunks being counted through all views. */
function countedText(all: readonly Reading[]): string {
  const lines = all.map((each, i) => {
    const { firstChunk, chunks } = each;
    const place = firstChunk === 0 ? 'chunk' : `(chunk - ${firstChunk})`;
    const count = `return f32(min(${chunkSize(readingsOf(each))}, ${readingsOf(each)} - ${place} * ${chunkSize(readingsOf(each))}));`;
    return i === all.length - 1 ? `  ${count}\n` : `  if chunk < ${firstChunk + chunks} { ${count} }\n`;
  });
  return `fn counted(chunk: i32) -> f32 {\n${lines.join('')}}\n`;
}
