import { startedLoggerSink } from '../../../src/log/started-logger.ts';

/** Writes lines to the logger at descriptor 9, as many as argument 1 says, closes it, and says whether there was one. */
const sink = startedLoggerSink();
for (let index = 0; index < Number(process.argv[2]); index += 1)
  sink?.write({ severity: 'info', message: `line ${index}` });
sink?.close();
sink?.write({ severity: 'info', message: 'too late' });
process.stdout.write(sink ? 'there' : 'none');
