import { closeSync, constants, openSync, readdirSync, readFileSync, readlinkSync, writeSync } from 'node:fs';

import type { ComparedKernel } from '../../differential/compare.ts';
import { execute, must } from './execute.ts';

/**
 * This machine's own kernel, for operations that cannot block: done in this process, which is a hundred times as
 * fast as a process for each.
 */
export const sequenceKernel: ComparedKernel = {
  async perform(action) {
    if ('write' in action) return write(action.write, action.data);
    if ('load' in action) {
      return (await execute('modprobe', [action.load])).status === 0 ? 'ok' : 'failed';
    }
    return (await must('perl', ['/share/kernel-call.pl', 'delete-module', action.unload])).trim();
  },
  text: (path) => unlessAbsent(() => readFileSync(path, 'latin1')),
  link: (path) => unlessAbsent(() => readlinkSync(path)),
  list: (path) => unlessAbsent(() => readdirSync(path).sort()),
};

function write(path: string, data: string): string {
  try {
    const file = openSync(path, constants.O_WRONLY);
    try {
      writeSync(file, Buffer.from(data, 'latin1'));
    } finally {
      closeSync(file);
    }
    return 'ok';
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    // Node has no name for 524, which only the kernel knows.
    return code === undefined || message.includes('-524') ? 'ENOTSUPP' : code;
  }
}

/** Undefined for whatever keeps a file from being read: absent, or of a device that is gone. */
function unlessAbsent<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
