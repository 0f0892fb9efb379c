// What a script may replace: a folder that is not there, an empty one, or one that it wrote before.
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Ends the process where there is something else at the path. `mark` is a file that the script always writes. */
export function refuseOthers(path, mark) {
  if (!existsSync(path)) return;
  if (statSync(path).isDirectory() && (existsSync(join(path, mark)) || readdirSync(path).length === 0)) return;
  console.error(`error: ${path} is there and was not written by this script, which would replace all of it\n  Name a new or an empty folder.`);
  process.exit(1);
}
