import { shellAt } from '../../../../src/host/linux/side-shell.ts';

/** Asks a shell at descriptors 4, 5 and 7 that never answers; ends as argument 1 says. */
const shell = shellAt(process.pid, { requests: 4, answers: 5, locks: 7 });
const how = process.argv[2];
if (how === 'late') {
  process.stdout.write(`${(await shell.write('/sys/x', '1', 50))?.kind ?? 'not asked'}\n`);
} else {
  void shell.write('/sys/x', '1', 60_000);
  setImmediate(() => {
    throw new Error('a fault');
  });
}
