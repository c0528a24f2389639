import { readFileSync } from 'node:fs';
import { errnoOf, VfioHookError } from '../../../src/errors.ts';
import { ownerPhrase } from '../../../src/claim/owner.ts';
import { lockGroups } from '../../../src/engine/lock.ts';

/**
 * Takes the locks of groups and says each thing that happens in a line on stdout; gives them up when a line
 * comes on stdin or stdin ends. Arguments: state directory, guest, milliseconds to wait, groups.
 */
const [stateDirectory = '', guest = '', timeout = '0', ...groups] = process.argv.slice(2);
try {
  const locks = lockGroups(groups.map(Number), {
    stateDirectory,
    trustedUid: process.getuid?.() ?? 0,
    timeoutMs: Number(timeout),
    who: ownerPhrase({ kind: 'guest', name: guest, uuid: '' }),
    now: () => performance.now(),
    onWait: (sentence) => {
      process.stdout.write(`waits: ${sentence}\n`);
    },
  });
  process.stdout.write('holds\n');
  readFileSync(0);
  locks.release();
  process.stdout.write('released\n');
} catch (error) {
  const said = error instanceof VfioHookError ? `${error.code}: ${error.message}` : String(errnoOf(error));
  process.stdout.write(`failed: ${said}\n`);
}
