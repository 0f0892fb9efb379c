// A participant's side of bench/turns.ts, for the peers: says what it is, then measures once for every line on standard input.

import { createInterface } from 'node:readline';

export async function takeTurns(about, measure) {
  console.log(JSON.stringify(about));
  for await (const _ of createInterface(process.stdin)) {
    const began = performance.now();
    await measure();
    console.log(JSON.stringify({ ms: performance.now() - began }));
  }
}
