import { sayOnStderr } from '../../src/report.ts';

/** Says as many lines on stderr as argument 1 tells, each of 1000 bytes or argument 2, then how long that took, on stdout. */
const [, , lines, text = ''] = process.argv;
const began = performance.now();
for (let line = 0; line < Number(lines); line += 1) {
  sayOnStderr(text === '' ? `${line} `.padEnd(999, 'x') : `${line} ${text}`);
}
process.stdout.write(`${Math.round(performance.now() - began)}\n`);
