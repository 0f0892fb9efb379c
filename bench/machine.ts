// The name of this machine's GPU, as a folder is called. Ends with status 2 where there is none; ZZ_BENCH_ANY=1 takes a software adapter, to try the scripts.
// node scripts/bench.js machine

import { findAdapter } from '../runtime/backends/dawn.ts';

const adapter = await findAdapter().catch((error: unknown) => String(error));
if (typeof adapter === 'string' || (adapter.software && process.env['ZZ_BENCH_ANY'] !== '1')) {
  console.error(typeof adapter === 'string' ? adapter : `there is no GPU here, only ${adapter.name}`);
  process.exit(2);
}
console.log(adapter.model.replace(/[^A-Za-z0-9]+/g, '-').replace(/^-|-$/g, '').toLowerCase() || 'gpu');
