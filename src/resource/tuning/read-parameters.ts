import { sysfs } from '../../pci/sysfs.ts';
import type { SeenOf } from '../kind.ts';
import type { Reader } from '../readers.ts';

/** What parameters of modules are; one of a module that is not loaded is not there. */
export const readParameters: Reader<'parameter'> = (host, keys) =>
  Promise.resolve(
    new Map(
      keys.flatMap((key): [string, SeenOf<'parameter'>][] => {
        const [module = '', name = ''] = key.split(' ');
        const value = host.read(sysfs.moduleParameter(module, name))?.trim();
        return value === 'Y' || value === 'N' ? [[key, { state: { value }, facts: {} }]] : [];
      }),
    ),
  );
