import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { prefixOf, type Job, type JobResult } from './job.ts';

const program = fileURLToPath(new URL('worker.ts', import.meta.url));

/** Milliseconds after which a part of a sweep counts as hanging. The longest takes a tenth of it. */
const PATIENCE_MS = 300_000;

/** What a worker answers. */
interface Answer {
  readonly result?: JobResult;
  readonly error?: string;
}

/** Runs jobs in so many processes at once; a job whose process dies or hangs is one bad point. */
export async function runJobs(
  jobs: readonly Job[],
  processes: number,
  done: (job: Job, result: JobResult) => void,
): Promise<void> {
  const ahead = [...jobs];
  const lane = async (): Promise<void> => {
    let worker: ChildProcess | undefined;
    for (let job = ahead.shift(); job; job = ahead.shift()) {
      if (!worker?.connected) worker = fork(program, { execArgv: ['--import=tsx'] });
      done(job, await answerOf(worker, job));
    }
    if (worker?.connected) worker.disconnect();
  };
  await Promise.all(Array.from({ length: Math.min(processes, jobs.length) }, lane));
}

async function answerOf(worker: ChildProcess, job: Job): Promise<JobResult> {
  const began = performance.now();
  const { result, error } = await new Promise<Answer>((resolve) => {
    const settle = (answer: Answer): void => {
      clearTimeout(timer);
      worker.removeAllListeners('message').removeAllListeners('exit');
      resolve(answer);
    };
    const timer = setTimeout(() => {
      worker.kill('SIGKILL');
      settle({ error: `it did not end within ${PATIENCE_MS / 1000} s` });
    }, PATIENCE_MS);
    worker.once('message', settle);
    worker.once('exit', (status, signal) => {
      settle({ error: `its process ended with ${signal ?? String(status)}` });
    });
    worker.send(job);
  });
  if (result) return result;
  const bad = [{ point: prefixOf(job), why: error ?? 'it said nothing' }];
  return { totals: { points: 1, bad, largest: {} }, seconds: (performance.now() - began) / 1000 };
}
