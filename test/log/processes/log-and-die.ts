import { fileSink } from '../../../src/log/file.ts';
import { winstonLog } from '../../../src/log/winston.ts';

/** Writes two lines to a file (argument 1) and is killed. */
const log = winstonLog(
  'info',
  fileSink(process.argv[2] ?? '', () => new Date()),
);
log.write({ severity: 'info', message: 'first' });
log.write({ severity: 'err', message: 'last', result: 'dying' });
process.kill(process.pid, 'SIGKILL');
