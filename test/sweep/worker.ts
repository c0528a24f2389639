import { runJob, type Job } from './job.ts';

/** Runs the jobs that its parent sends, one after the other, and sends back what came of each. */
process.on('message', (job: Job) => {
  runJob(job).then(
    (result) => process.send?.({ result }),
    (error: unknown) => process.send?.({ error: error instanceof Error ? error.stack : String(error) }),
  );
});
process.on('disconnect', () => {
  process.exitCode = 0;
});
