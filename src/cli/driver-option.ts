import { VfioHookError } from '../errors.ts';
import { command } from '../hint.ts';
import { isDriverName } from '../pci/driver-name.ts';
import { quoteName } from '../text.ts';
import type { Call } from './command.ts';

/** The driver that `--driver` names; undefined without it. Throws VH_USAGE for what is no driver's name. */
export function readDriverOption({ options }: Call): string | undefined {
  const driver = options.get('driver');
  if (typeof driver !== 'string') return undefined;
  if (isDriverName(driver)) return driver;
  throw new VfioHookError('VH_USAGE', `${quoteName(driver)} is no driver's name`, {
    hints: [command('ls /sys/bus/pci/drivers')],
  });
}
