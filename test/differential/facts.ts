import { seenDevices, seenModules } from './devices.ts';
import type { Facts, Sight } from './sequence.ts';

/** How the facts are read, of a real kernel or a simulated one. Undefined: there is no such file. */
export interface Reader {
  text(path: string): string | undefined;
  link(path: string): string | undefined;
  list(path: string): readonly string[] | undefined;
}

/** The name under which the facts are kept that belong to no device. */
export const machine = 'machine';

/**
 * Attributes whose text is compared as it is. Not among them: `power_state` and `power/runtime_status`, which
 * change when a device has been idle for a while, and `enable`, which counts what each driver does.
 */
const attributes = ['driver_override', 'power/control', 'd3cold_allowed', 'reset_method', 'sriov_numvfs'];

/** All there is to see. */
export function sight(reader: Reader): Sight {
  return look(reader, [machine, ...seenDevices]);
}

/** What is to be seen of these devices. */
export function look(reader: Reader, names: readonly string[]): Sight {
  const nodes = new Set(reader.list('/dev/vfio'));
  return Object.fromEntries(
    names.map((name) => [name, name === machine ? machineFacts(reader) : deviceFacts(reader, name, nodes)]),
  );
}

function deviceFacts(reader: Reader, address: string, nodes: ReadonlySet<string>): Facts {
  const directory = `/sys/bus/pci/devices/${address}`;
  if (reader.link(directory) === undefined) return { present: 'no' };
  const group = lastPart(reader.link(`${directory}/iommu_group`)) ?? 'none';
  const facts: Record<string, string> = {
    driver: lastPart(reader.link(`${directory}/driver`)) ?? 'none',
    // Group numbers differ from boot to boot; who is in one does not.
    group: reader.list(`/sys/kernel/iommu_groups/${group}/devices`)?.join(' ') ?? 'none',
    '/dev/vfio/N': nodes.has(group) ? 'yes' : 'no',
    'sizes of BARs': barSizes(reader.text(`${directory}/resource`)),
  };
  for (const name of attributes) {
    const text = reader.text(`${directory}/${name}`);
    if (text !== undefined) facts[name] = text.replace(/\n$/, '');
  }
  return facts;
}

function machineFacts(reader: Reader): Facts {
  const loaded = new Set(reader.list('/sys/module'));
  return {
    modules: seenModules.filter((name) => loaded.has(name)).join(' '),
    drivers_autoprobe: reader.text('/sys/bus/pci/drivers_autoprobe')?.trimEnd() ?? 'absent',
  };
}

/** Bytes between the addresses of each BAR; 0: there is none, or it has no address. */
function barSizes(resource: string | undefined): string {
  const lines = resource?.split('\n').slice(0, 6) ?? [];
  return lines
    .map((line) => {
      const [start = '0', end = '0', flags = '0'] = line.split(' ');
      const unset = (Number(flags) & 0x20000000) !== 0;
      return unset || BigInt(end) === 0n ? '0' : String(BigInt(end) - BigInt(start) + 1n);
    })
    .join(' ');
}

function lastPart(target: string | undefined): string | undefined {
  return target?.split('/').pop();
}
