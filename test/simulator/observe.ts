import { formatBarSize } from '../../src/pci/bar.ts';
import { cpuList } from '../../src/pci/cpu-list.ts';
import { effectiveCpus, onlineCpus } from '../../simulator/slices.ts';
import { groupMembers, isBridge, type Device, type MachineState } from '../../simulator/state.ts';

/**
 * What must be as before when a guest is gone: one entry for each fact, such as
 * `0000:03:00.0 driver` → `amdgpu`. Left out on purpose: loaded modules (they may stay), numbers of groups,
 * addresses of BARs (they may move), power states.
 */
export type Observation = Readonly<Record<string, string>>;

/** The facts of a machine now. */
export function observe(state: MachineState): Observation {
  const facts: Record<string, string> = {};
  for (const device of Object.values(state.devices)) Object.assign(facts, factsOf(device));
  for (const { spec, vfSettings = [] } of Object.values(state.devices)) {
    // Addresses are random where nobody has set any, and that one was set shows nowhere.
    for (const [vf, { vlan, qos, spoofchk, trust, state: link, maxTxRate }] of vfSettings.entries()) {
      const kept = `vlan ${vlan} qos ${qos}, ${[spoofchk, trust, link, maxTxRate].join(' ')}`;
      if (kept !== NEW_FUNCTION) facts[`${spec.address} virtual function ${vf}`] = kept;
    }
  }
  for (const { spec, shares = {} } of Object.values(state.devices)) {
    for (const [name, value] of Object.entries(shares))
      if (value !== '0' && value !== 'low') facts[`${spec.address} ${name}`] = value;
  }
  for (const group of Object.values(state.groups)) {
    const [first] = groupMembers(state, group.number);
    if (first) facts[`group of ${first.spec.address} type`] = group.type;
  }
  for (const console of state.consoles) {
    facts[`console ${console.text}`] = console.bound ? 'bound' : 'not bound';
  }
  // Loaded or not, it is the same as long as it is off.
  if (state.modules['vfio_iommu_type1']?.parameters['allow_unsafe_interrupts'] === 'Y')
    facts['allow_unsafe_interrupts'] = 'Y';
  for (const { sizeKb, nodes } of state.memory?.pools ?? []) {
    for (const [node, { nr, surplus }] of nodes.entries())
      facts[`huge pages of ${sizeKb} kB on node ${node}`] = String(nr - surplus);
  }
  for (const [key, { active, queued }] of Object.entries(state.units))
    if (!isOfSession(state, key)) facts[`unit ${key}`] = queued === true ? `${active}, queued` : active;
  for (const [slice, { allowed }] of Object.entries(state.slices))
    facts[`CPUs of ${slice}`] = `${allowed} effective ${effectiveCpus(state, slice) || every(state)}`;
  if (state.irqs) facts['new interrupts'] = state.irqs.default;
  for (const [number, { cpus }] of Object.entries(state.irqs?.each ?? {}))
    facts[`interrupt ${number}`] = cpus;
  for (const [policy, { governor, epp }] of Object.entries(state.frequency))
    facts[`frequency ${policy}`] = epp === undefined ? governor : `${governor} ${epp}`;
  for (const [uuid, { parent, type, leaving }] of Object.entries(state.mdevs))
    facts[`mediated device ${uuid}`] = `${type} on ${parent}${leaving ? ', leaving' : ''}`;
  if (state.firmwareFramebuffer !== undefined)
    facts['firmware frame buffer'] =
      `${state.firmwareFramebuffer}${state.firmwareUnbound ? ', released' : ''}`;
  return Object.fromEntries(Object.entries(facts).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Where nobody is confined. */
function every({ spec: { cpus } }: MachineState): string {
  return cpus ? cpuList(onlineCpus(cpus)) : '';
}

/** Whether a unit is a part of somebody's session: nobody brings one back. */
function isOfSession({ spec: { logins = [] } }: MachineState, key: string): boolean {
  return key.endsWith('.scope') || logins.some(({ uid }) => key.startsWith(`user ${uid} `));
}

/** What a card keeps for a function that is new. */
const NEW_FUNCTION = 'vlan 0 qos 0, true false auto 0';

/** The facts that differ, a line each: `0000:03:00.0 driver: amdgpu -> vfio-pci`. Empty: nothing differs. */
export function differences(before: Observation, after: Observation): string[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  return names
    .filter((name) => before[name] !== after[name])
    .map((name) => `${name}: ${before[name] ?? 'absent'} -> ${after[name] ?? 'absent'}`);
}

function factsOf(device: Device): Record<string, string> {
  const { address } = device.spec;
  const facts: Record<string, string> = {
    // A device whose remove() still runs has no link, and is not free either.
    [`${address} driver`]: device.linked
      ? (device.driver ?? '')
      : device.driver === undefined
        ? 'none'
        : 'leaving',
    [`${address} driver override`]: device.driverOverride ?? '(null)',
    [`${address} power control`]: device.powerControl,
    [`${address} d3cold allowed`]: device.d3coldAllowed ? '1' : '0',
  };
  if (!isBridge(device.spec)) facts[`${address} enable`] = String(device.enabled);
  if (device.resettable) facts[`${address} reset methods`] = device.resetMethods.join(' ');
  if (device.spec.sriov) facts[`${address} virtual functions`] = String(device.numVfs);
  if (device.spec.sriov) facts[`${address} vf autoprobe`] = device.vfAutoprobe ? '1' : '0';
  if (device.persistence) facts[`${address} persistence mode`] = 'on';
  if (device.drmClient) facts[`${address} client`] = 'nvidia_drm';
  if (device.vgpuType !== undefined) facts[`${address} vgpu type`] = String(device.vgpuType);
  for (const bar of device.bars) {
    facts[`${address} bar ${bar.index}`] = bar.start < 0 ? 'unassigned' : formatBarSize(bar.size);
  }
  return facts;
}
