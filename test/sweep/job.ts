import { everything, only, sample, type Selection } from './selection.ts';
import { sweeps } from './sweeps.ts';
import { Tally, type Totals } from './tally.ts';

/** One part of one sweep, as it is sent to a worker. */
export interface Job {
  readonly sweep: string;
  readonly part: string;
  /** Text in the names of the points that are to be run; absent: all. */
  readonly only?: string;
  /** How much of all points is to be run, 0 to 1; absent: all. */
  readonly share?: number;
}

/** What comes back. */
export interface JobResult {
  readonly totals: Totals;
  readonly seconds: number;
}

/** The prefix of the names of a part's points. */
export function prefixOf({ sweep, part }: Pick<Job, 'sweep' | 'part'>): string {
  return `${sweep}, ${part}:`;
}

function selectionOf({ only: text, share }: Job): Selection {
  if (text !== undefined) return only(text);
  return share === undefined ? everything : sample(share);
}

/** Runs a job in this process. */
export async function runJob(job: Job): Promise<JobResult> {
  const sweep = sweeps.find(({ name }) => name === job.sweep);
  if (!sweep) throw new Error(`there is no sweep ${job.sweep}`);
  const tally = new Tally(prefixOf(job), selectionOf(job));
  const began = performance.now();
  await sweep.run(job.part, tally);
  return { totals: tally.totals(), seconds: (performance.now() - began) / 1000 };
}
