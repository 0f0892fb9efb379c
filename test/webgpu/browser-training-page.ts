// In the browser: a training step of nets of each kind through navigator.gpu, fed by the device, against the evaluator; exports what differs, by net.

import { webgpuBackend } from '../../runtime/backends/webgpu.ts';
import { differences, IN_PAGES } from './steps.ts';

const backend = webgpuBackend({ software: true });
const found: Record<string, Record<string, number>> = {};
for (const example of IN_PAGES) {
  const [file, net] = example.split(':');
  const answer = await fetch(`/dsl-examples/${file}.zz`);
  if (!answer.ok) throw new Error(`${file}.zz: ${answer.status}`);
  found[example] = await differences(backend, await answer.text(), net, 1);
}

export default found;
