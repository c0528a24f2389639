import { layOutBars } from './bars.ts';
import { consolesAtBoot } from './consoles.ts';
import { policiesAtBoot } from './cpufreq.ts';
import { matches } from './driver-core.ts';
import { addDevice } from './hotplug.ts';
import { memoryAtBoot } from './hugepages.ts';
import { irqsAtBoot, requestIrqs } from './irq.ts';
import { register } from './modules.ts';
import { drmLoaded } from './nvidia.ts';
import { startAtBoot } from './processes.ts';
import { slicesAtBoot } from './slices.ts';
import { unitsAtBoot } from './systemd.ts';
import type { MachineSpec } from './spec.ts';
import type { Device, MachineState } from './state.ts';
import { makeVfs, vfsOf } from './sriov.ts';
import { vfInterfaceUp } from './vf-network.ts';

/** The daemon's pid on every machine. */
const LIBVIRTD = 812;

/** What goes on from one boot of a machine to the next. */
export type Carried = Pick<MachineState, 'clock' | 'next' | 'faults' | 'schedule' | 'journal'>;

/**
 * A machine right after it booted: every module and device as the spec says, nothing else. `boot` counts the
 * boots, from 1; the boot id is made of it.
 */
export function build(spec: MachineSpec, boot: number, carried?: Carried): MachineState {
  const memory = memoryAtBoot(spec);
  const irqs = irqsAtBoot(spec);
  const state: MachineState = {
    format: 1,
    spec,
    bootId: bootId(spec.name, boot),
    clock: carried?.clock ?? 0,
    next: { ...(carried?.next ?? { uid: 0, task: 0, pid: 40_000, group: 0 }), boot },
    autoprobe: true,
    devices: {},
    removed: [],
    drivers: {},
    modules: {},
    groups: {},
    locks: {},
    tasks: [],
    processes: [],
    units: unitsAtBoot(spec),
    slices: slicesAtBoot(spec),
    ...(irqs && { irqs }),
    logins: spec.logins ?? [],
    frequency: policiesAtBoot(spec),
    daemon: { pid: LIBVIRTD, startTime: 1, name: 'libvirtd' },
    opens: [],
    consoles: consolesAtBoot(spec.console),
    ...(spec.console.kind === 'firmware' && { firmwareFramebuffer: spec.console.platformDevice }),
    mdevs: {},
    ...(memory && { memory }),
    handles: {},
    faults: carried?.faults ?? [],
    schedule: carried?.schedule ?? [],
    journal: carried?.journal ?? [],
    log: [],
  };
  for (const driver of spec.drivers) {
    if (driver.module === undefined) state.drivers[driver.name] = { spec: driver, dynamicIds: [] };
  }
  for (const module of spec.modules) if (module.loaded) register(state, module);
  for (const { group } of spec.devices) {
    if (!spec.iommu || group === undefined || state.groups[group]) continue;
    state.groups[group] = { number: group, key: group, type: 'DMA-FQ' };
  }
  state.next.group = Math.max(0, ...Object.keys(state.groups).map((number) => Number(number) + 1));
  for (const device of spec.devices) addDevice(state, device);
  bindAtBoot(state);
  drmLoaded(state);
  layOutBars(state);
  startAtBoot(state, spec.processes);
  return state;
}

/** Puts devices on their drivers and brings up virtual functions, without the steps that a running kernel takes. */
function bindAtBoot(state: MachineState): void {
  for (const device of Object.values(state.devices)) {
    const { driver, sriov } = device.spec;
    if (driver !== undefined) bindOne(state, device, driver);
    if (!sriov || sriov.numVfs === 0) continue;
    makeVfs(state, device.uid, sriov.numVfs);
    for (const vf of vfsOf(state, device)) {
      const taker = Object.values(state.drivers).find((each) => matches(vf, each));
      if (taker) bindOne(state, vf, taker.spec.name);
    }
  }
}

function bindOne(state: MachineState, device: Device, name: string): void {
  const driver = state.drivers[name];
  if (!driver) return;
  Object.assign(device, { driver: name, linked: true, enabled: driver.spec.vfio ? 0 : 1 });
  vfInterfaceUp(state, device);
  if (driver.spec.dma === 'native') requestIrqs(state, device);
  if (!driver.spec.vfio) return;
  Object.assign(device, { powerControl: 'auto', powerState: 'D3hot' });
  // Without an override it was taken by its ids (vfio-pci.ids=…), which take others of the kind as well.
  if (device.driverOverride === undefined)
    driver.dynamicIds.push(`${device.spec.vendor}:${device.spec.device}`);
}

/** A boot id that is the same for every run of a test, another one for each boot and machine. */
function bootId(name: string, boot: number): string {
  let hash = boot;
  for (const letter of name) hash = (hash * 31 + letter.charCodeAt(0)) % 0xffffffff;
  const digits = hash.toString(16).padStart(8, '0');
  return `${digits}-0000-4000-8000-${boot.toString(16).padStart(12, '0')}`;
}
