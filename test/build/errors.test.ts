// Each file of dsl-examples/errors has one mistake, which its first line names with its place.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkProgram } from '../../compiler/2-graph/build.ts';
import { CODES } from '../../compiler/diagnostics.ts';
import { programAt, ROOT, showDiagnostic } from './helpers.ts';

const FOLDER = 'dsl-examples/errors';
const files = readdirSync(join(ROOT, FOLDER)).sort();

/** Codes that no single file can show: an unreadable file, a choice between nets that only some commands need, and what only shows while a net runs. */
const ELSEWHERE = ['ZZ1008', 'ZZ2013', 'ZZ6001'];

describe('dsl-examples/errors', () => {
  it('has a file for every code', () => {
    expect([...new Set(files.map((file) => file.slice(0, 6).toUpperCase()))].sort()).toEqual(Object.keys(CODES).filter((code) => !ELSEWHERE.includes(code)).sort());
  });

  it.each(files)('%s', (file) => {
    const path = `${FOLDER}/${file}`;
    const [, code, place] = /^\/\/ expect (ZZ\d{4}) at (\d+:\d+)/.exec(readFileSync(join(ROOT, path), 'utf8')) ?? [];
    expect(file.startsWith(`${code?.toLowerCase()}-`)).toBe(true);
    expect(checkProgram(programAt(path)).map(showDiagnostic)).toEqual([`${code} ${place}`]);
  });
});
