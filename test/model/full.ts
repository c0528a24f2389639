import { explore } from './explore.ts';
import { figures, nameOf, traceOf } from './report.ts';
import { full } from './settings.ts';

const began = performance.now();
let worlds = 0;
let transitions = 0;
for (const setting of full) {
  const exploration = await explore(setting);
  console.log(`${nameOf(setting)}\n    ${figures(exploration)}`);
  worlds += exploration.worlds;
  transitions += exploration.transitions;
  if (!exploration.violation) continue;
  console.log(`    WRONG:\n${traceOf(exploration.violation)}`);
  process.exitCode = 1;
}
const seconds = ((performance.now() - began) / 1000).toFixed(0);
const result = process.exitCode === 1 ? 'something is wrong, see above' : 'nothing is wrong';
console.log(`${full.length} settings, ${worlds} states, ${transitions} transitions, ${seconds} s: ${result}`);
