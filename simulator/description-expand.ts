import type { Description, DeviceDescription } from './description-schema.ts';
import { driversOfEveryMachine, isBuiltin, knownDriver, vfioModules } from './known-drivers.ts';
import { expandMemory } from './description-memory.ts';
import { moduleName } from './modules.ts';
import { nvidiaModules } from './nvidia.ts';
import { expandKeyboards } from './description-keyboards.ts';
import { networkFiles, wideRoutes } from './description-network.ts';
import { inService, joined, nothing, type Service } from './description-service.ts';
import { expandStorage } from './description-storage.ts';
import type { BarSpec, ConsoleSpec, DeviceSpec, DriverSpec, MachineSpec, ModuleSpec } from './spec.ts';

/** The machine that a description stands for: drivers with their id tables, modules, device nodes, /proc files. */
export function expand(description: Description): MachineSpec {
  const drivers = expandDrivers(description);
  const storage = expandStorage(description.devices);
  const input = expandKeyboards(description);
  const service = description.devices.map((device, index): Service => {
    const parts = [storage.services[index], input.services[index], inService(device)];
    return parts.reduce<Service>((sum, part) => (part ? joined(sum, part) : sum), nothing);
  });
  return {
    name: description.name,
    kernel: description.kernel,
    commandLine: description.commandLine,
    iommu: description.iommu,
    ...(description.interruptRemapping !== undefined && {
      interruptRemapping: description.interruptRemapping,
    }),
    ...(description.resizeRollback && { resizeRollback: description.resizeRollback }),
    firmwareKeepsBars: description.firmwareKeepsBars,
    groupNumbers: description.groupNumbers,
    window: description.window,
    console: expandConsole(description.console),
    ...(description.memory && { memory: expandMemory(description.memory) }),
    drivers,
    modules: expandModules(description, drivers),
    devices: description.devices.map((device, index) => expandDevice(device, service[index] ?? nothing)),
    mdevTypes: description.mdev,
    volumes: storage.volumes,
    keyboards: input.keyboards,
    units: description.units,
    ...(description.cpus && { cpus: description.cpus }),
    logins: description.logins,
    ...(description.cpufreq && { cpufreq: description.cpufreq }),
    processes: description.processes.map(({ unit, user, ...process }) => ({
      ...process,
      ...(unit !== undefined && { unit: { name: unit, ...(user !== undefined && { user }) } }),
    })),
    files: {
      '/proc/self/mountinfo': storage.mountinfo,
      '/proc/1/mountinfo': storage.mountinfo,
      '/proc/swaps': `Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n${storage.swaps}`,
      ...storage.files,
      ...networkFiles(description),
      ...libvirtFile(description.libvirt),
      ...unitFiles(description.units),
      ...description.files,
    },
    wideRoutes: wideRoutes(description),
    fileFacts: description.fileFacts,
  };
}

function expandConsole(text: string): ConsoleSpec {
  if (text === 'vga' || text === 'native' || text === 'native-uefi' || text === 'none') return { kind: text };
  return { kind: 'firmware', platformDevice: text };
}

/** Units of the system have files; those that are only known by their processes may be of any kind. */
function unitFiles(units: Description['units']): Record<string, string> {
  const own = units.filter(({ user }) => user === undefined);
  return Object.fromEntries(own.map(({ name }) => [`/usr/lib/systemd/system/${name}`, '[Unit]\n']));
}

/** libvirt.so.0 as distributions install it, a link to the file whose name has major, minor and micro: 11003.0 for 11.3.0. */
function libvirtFile(version: string | undefined): Record<string, string> {
  if (version === undefined) return {};
  const [major = 0, minor = 0, micro = 0] = version.split('.').map(Number);
  const library = '/usr/lib/x86_64-linux-gnu/libvirt.so.0';
  return { [library]: `-> ${library}.${major * 1000 + minor}.${micro}` };
}

/** Every driver that a device names, with the ids of all devices that name it; drivers in use come first. */
function expandDrivers(description: Description): DriverSpec[] {
  const ids = new Map<string, Set<string>>();
  const add = (driver: string | undefined, id?: string): void => {
    if (driver === undefined) return;
    const known = ids.get(driver) ?? new Set<string>();
    if (id !== undefined) known.add(id);
    ids.set(driver, known);
  };
  for (const driver of driversOfEveryMachine) add(driver);
  for (const device of description.devices) add(device.driver, takes(device.driver, device.id));
  for (const device of description.devices) {
    for (const driver of device.drivers) add(driver, device.id);
    add(device.sriov?.vfDriver, device.sriov && `${device.id.slice(0, 4)}:${device.sriov.vfDevice}`);
  }
  for (const variant of description.variants) add(variant.driver);
  return [...ids].map(([name, table]) => ({ name, ...knownDriver(name), ids: [...table] }));
}

/** A stub or a vfio driver that holds a device does so by override, not by its table. */
function takes(driver: string | undefined, id: string): string | undefined {
  if (driver === undefined) return undefined;
  return driver === 'pci-stub' || knownDriver(driver).vfio ? undefined : id;
}

function expandModules(description: Description, drivers: readonly DriverSpec[]): ModuleSpec[] {
  const inUse = new Set(description.loaded.map(moduleName));
  for (const device of description.devices) {
    const module = device.driver === undefined ? undefined : knownDriver(device.driver).module;
    if (module !== undefined) inUse.add(module);
  }
  const needsVfio = drivers.some((driver) => driver.vfio && inUse.has(driver.module ?? ''));
  const modules = vfioModules.map((module) => ({
    ...module,
    loaded: needsVfio && (module.name !== 'vfio_pci' || inUse.has('vfio_pci')),
  }));
  for (const driver of drivers) {
    const name = driver.module;
    if (name === undefined || isBuiltin(driver.name) || modules.some((each) => each.name === name)) continue;
    const variants = description.variants.filter((variant) => variant.driver === driver.name);
    modules.push({
      name,
      depends: driver.vfio ? ['vfio_pci_core'] : [],
      softDepends: [],
      builtin: false,
      loaded: inUse.has(name),
      parameters: {},
      ...(name === 'nvidia' && description.nvidia && { version: description.nvidia.version }),
      aliases: variants.map(({ id }) => {
        const [vendor = '', device = ''] = id.toUpperCase().split(':');
        return `vfio_pci:v0000${vendor}d0000${device}sv*sd*bc*sc*i*`;
      }),
    });
  }
  if (drivers.some(({ name }) => name === 'nvidia')) modules.push(...nvidiaModules(description.nvidia));
  const ofMdevs = description.mdev.flatMap(({ module }) => module ?? []);
  for (const name of new Set(ofMdevs)) {
    const loaded = inUse.has(name);
    modules.push({ ...plainModule, name, loaded });
  }
  return modules;
}

const plainModule = { depends: [], softDepends: [], builtin: false, parameters: {}, aliases: [] };

function expandDevice(device: DeviceDescription, service: Service): DeviceSpec {
  const [vendor = '', id = ''] = device.id.split(':');
  const [subsystemVendor = '', subsystemDevice = ''] = device.subsystem.split(':');
  const { link, sriov, net } = device;
  return {
    address: device.address,
    ...(device.name !== undefined && { name: device.name }),
    vendor,
    device: id,
    subsystemVendor,
    subsystemDevice,
    revision: device.revision,
    class: device.class,
    ...(device.behind !== undefined && { behind: device.behind }),
    ...(device.group !== undefined && { group: device.group }),
    ...(device.numa !== undefined && { numaNode: device.numa }),
    ...(link && {
      link: { ...link, maxSpeed: link.maxSpeed ?? link.speed, maxWidth: link.maxWidth ?? link.width },
    }),
    ...(device.driver !== undefined && { driver: device.driver }),
    ...(device.override !== undefined && { driverOverride: device.override }),
    bars: expandBars(device.bars),
    resetMethods: device.reset,
    powerControl: device.power,
    d3coldAllowed: device.d3cold,
    ...(device.bootVga !== undefined && { bootVga: device.bootVga }),
    ...(sriov && {
      sriov: {
        totalVfs: sriov.total,
        numVfs: sriov.active,
        offset: sriov.offset,
        stride: sriov.stride,
        vfDevice: sriov.vfDevice,
        vfBars: expandBars(sriov.vfBars),
        ...(sriov.vgpuType !== undefined && { vgpuType: sriov.vgpuType }),
        ...(sriov.profile && {
          profile: {
            ...sriov.profile,
            ...(device.drm[0] !== undefined && { card: device.drm[0] }),
          },
        }),
        ...(net && { net: { interface: net.name, up: net.up, refuses: sriov.refuses } }),
        ...(sriov.vgpu && { vgpu: sriov.vgpu }),
      },
    }),
    nodes: [...service.nodes, ...device.nodes],
    claimedNodes: service.claimed,
    entries: { ...service.entries, ...device.entries },
    ...(service.keyboards && { keyboards: service.keyboards }),
  };
}

function expandBars(bars: DeviceDescription['bars']): BarSpec[] {
  return Object.entries(bars).map(([index, bar]) => ({ index: Number(index), ...bar }));
}
