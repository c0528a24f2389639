import { journalSink } from '../../../src/log/journal.ts';

/** Writes lines to the journal and ends, with a close (argument 1: `close`), without one, or by SIGKILL. */
const sink = journalSink();
sink.write({ severity: 'notice', message: 'first', guest: 'a\nb' });
sink.write({ severity: 'err', message: 'last' });
if (process.argv[2] === 'close') sink.close();
if (process.argv[2] === 'killed') setImmediate(() => process.kill(process.pid, 'SIGKILL'));
