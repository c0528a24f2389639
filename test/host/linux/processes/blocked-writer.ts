import { linuxHost } from '../../../../src/host/linux/host.ts';

/** Writes to a FIFO that nobody reads (argument 1), says how that ended, and ends. */
const result = await linuxHost.write(process.argv[2] ?? '', 'late', 200);
process.stdout.write(`${result.kind}\n`);
