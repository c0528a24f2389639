/**
 * What the launcher starts: loads the code of the run, as it was compiled by an earlier one where that is kept, and sets
 * the exit status. Its first argument is the name by which the launcher was called.
 */
import { codeCache, codeDirectory } from '../src/code-cache.ts';
import { partsOf } from '../src/parts.ts';
import { errorLines, sayOnStderr } from '../src/report.ts';

const [, , called = '', ...args] = process.argv;
const directory = codeDirectory(called, args);
const cache = directory === undefined ? undefined : codeCache(directory, require);
const parts = partsOf(__filename, called, cache?.load ?? require);

async function run(): Promise<void> {
  try {
    process.exitCode = await parts.load('main.cjs').main(called, args, parts);
  } catch (error) {
    for (const line of errorLines(error)) sayOnStderr(line);
    process.exitCode = 1;
  }
  if (process.exitCode === 0) cache?.keep();
}

void run();
