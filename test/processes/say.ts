import { sayOnStderr } from '../../src/report.ts';

/** Says as many lines on stderr as argument 1 tells, of 1000 bytes each, then how long that took, on stdout. */
const began = performance.now();
for (let line = 0; line < Number(process.argv[2]); line += 1) sayOnStderr(`${line} `.padEnd(999, 'x'));
process.stdout.write(`${Math.round(performance.now() - began)}\n`);
