import { hostCpuList } from '../../observe/cpus.ts';
import { confinesSlices, readSlices } from '../../observe/slices.ts';
import { isHostSlice } from '../../pci/slice.ts';
import type { SeenOf } from '../kind.ts';
import type { Reader } from '../readers.ts';

/** Which CPUs slices may have. Throws as readSlices. */
export const readCpus: Reader<'cpus'> = async (host, keys, deadlineMs) => {
  const facts = {
    online: hostCpuList(host, 'online'),
    present: hostCpuList(host, 'present'),
    unified: confinesSlices(host),
  };
  const slices = await readSlices(host, keys.filter(isHostSlice), deadlineMs);
  return new Map(
    [...slices].map(([key, { allowed }]): [string, SeenOf<'cpus'>] => [key, { state: { allowed }, facts }]),
  );
};
