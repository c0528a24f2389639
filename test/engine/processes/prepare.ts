import { join } from 'node:path';
import { defaultConfig } from '../../../src/config/config.ts';
import { openClaimStore } from '../../../src/engine/claim-store.ts';
import { prepare } from '../../../src/engine/prepare.ts';
import { VfioHookError } from '../../../src/errors.ts';
import { openMachineFile } from '../../../simulator/machine.ts';
import { noLog } from '../../../src/log/log.ts';
import { sysfs } from '../../../src/pci/sysfs.ts';
import { guest } from '../../scenario.ts';

/** Prepares a guest on the machine of a directory. Arguments: directory, guest, devices. Says how that ended. */
const [directory = '', name = '', ...devices] = process.argv.slice(2);
const host = openMachineFile(join(directory, 'machine.json')).host();
const bootId = (host.read(sysfs.bootId) ?? '').trim();
const stateDirectory = join(directory, 'run');
const trustedUid = process.getuid?.() ?? 0;
const engine = {
  host,
  bootId,
  stateDirectory,
  trustedUid,
  store: openClaimStore({ stateDirectory, trustedUid, bootId }),
  log: noLog,
  clock: () => new Date(),
  loadConfig: () => defaultConfig,
  interrupted: () => undefined,
};
try {
  await prepare(engine, guest(name, ...devices));
  process.stdout.write('held');
} catch (error) {
  process.stdout.write(error instanceof VfioHookError ? `${error.code}: ${error.message}` : String(error));
}
