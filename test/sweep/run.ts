/**
 * `npm run test:sweep`: every sweep in full, on all processors, and one table of totals. The exit status is 1 when
 * a point is bad. `-- --only TEXT` runs the points only whose names contain the text: the name of a bad point, as
 * it is printed, or part of it such as `crash, nvidia-desktop release`. `-- --share 0.5` runs half of the points, always the
 * same ones.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { prefixOf, type Job, type JobResult } from './job.ts';
import { runJobs } from './pool.ts';
import type { Sweep } from './sweep.ts';
import { sweeps } from './sweeps.ts';
import { sum, type Totals } from './tally.ts';

/** Bad points of one sweep that are printed in full. */
const MOST_SHOWN = 5;

const { values } = parseArgs({ options: { only: { type: 'string' }, share: { type: 'string' } } });
const share = values.share === undefined ? undefined : Number(values.share);
if (share !== undefined && !(share > 0 && share <= 1)) throw new Error('--share wants a number from 0 to 1');
const began = performance.now();
const results = new Map<string, JobResult[]>(sweeps.map(({ name }) => [name, []]));

const keep = ({ sweep, part }: Job, result: JobResult): void => {
  results.get(sweep)?.push(result);
  const { points, bad } = result.totals;
  if (points > 0) console.error(`${prefixOf({ sweep, part })} ${points} points, ${bad.length} bad`);
};
const jobsOf = ({ name, parts }: Sweep): Job[] =>
  parts
    .map((part) => ({
      sweep: name,
      part,
      ...(values.only !== undefined && { only: values.only }),
      ...(share !== undefined && { share }),
    }))
    .filter((job) => mayHave(job));

/** Whether a part can have points with the wanted text: the text may begin with the part's name, or be within it. */
function mayHave(job: Job): boolean {
  const { only } = job;
  if (only === undefined || !/^[\w ]+, .+:/.test(only)) return true;
  return only.startsWith(prefixOf(job));
}

await runJobs(sweeps.filter(({ alone }) => !alone).flatMap(jobsOf), availableParallelism(), keep);
await runJobs(sweeps.filter(({ alone }) => alone).flatMap(jobsOf), 1, keep);

const totals = [...results].map(([name, parts]) => ({
  name,
  ...sum(parts.map((part) => part.totals)),
  seconds: parts.reduce((seconds, part) => seconds + part.seconds, 0),
}));
for (const { bad } of totals)
  for (const { point, why } of bad.slice(0, MOST_SHOWN)) console.log(`\n${point}\n  ${why}`);

printTable(totals.filter(({ points }) => points > 0));
for (const [what, value] of Object.entries(sum(totals).largest)) console.log(`${what}: ${value.toFixed(1)}`);

const { points, bad } = sum(totals);
if (bad.length > 0) console.log('\nto repeat one: npm run test:sweep -- --only "its name"');
if (points === 0) console.log('\nno point has that text in its name');
console.log(`\n${points - bad.length} passed, ${bad.length} failed`);
process.exitCode = bad.length > 0 || points === 0 ? 1 : 0;

function printTable(rows: readonly (Totals & { readonly name: string; readonly seconds: number })[]): void {
  const all = sum(rows);
  const line = (name: string, count: number | string, wrong: number | string, seconds: string): string =>
    `${name.padEnd(22)} ${String(count).padStart(8)} ${String(wrong).padStart(5)} ${seconds.padStart(8)}`;
  console.log(`\n${line('sweep', 'points', 'bad', 'seconds')}`);
  for (const row of rows) console.log(line(row.name, row.points, row.bad.length, row.seconds.toFixed(1)));
  console.log(
    line('all, side by side', all.points, all.bad.length, ((performance.now() - began) / 1000).toFixed(1)),
  );
}
