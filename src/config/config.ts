import type { Hint } from '../hint.ts';
import type { PciAddress } from '../pci/address.ts';
import type { CpuList } from '../pci/cpu-list.ts';
import type { Governor } from '../pci/frequency.ts';
import type { MdevAttributes } from '../pci/mdev.ts';
import type { SleepRule } from '../pci/sleep.ts';
import type { Unit } from '../pci/unit.ts';
import type { UseReason } from '../pci/use.ts';
import type { GuestKey } from './guest-file.ts';
import type { DeviceMatch } from './match.ts';

/** What the configuration of one guest comes to, after the defaults of all guests were applied. */
export interface Config {
  readonly timeouts: Timeouts;
  /** Rules in the order in which they are applied: of all guests first, then of this guest; a later one wins. */
  readonly devices: readonly DeviceRule[];
  readonly log: { readonly level: LogLevel };
  /** Huge pages that the guest needs on top of those that there are. */
  readonly hugepages?: GuestHugepages;
  /** Cards whose virtual functions are made for guests: {@link ConfigScope} `all` only. */
  readonly sriov: readonly CardRule[];
  /** vGPUs on virtual functions that stay on NVIDIA's driver; a later one for the same function wins. */
  readonly vgpu: readonly VgpuRule[];
  /** What mediated devices are made of, by their UUIDs; those of the guest's own file first. */
  readonly mdev: readonly MdevRule[];
  /** Units of systemd that are stopped, or started, for the time that the guest runs. */
  readonly services: ServiceRules;
  /** Modules of the kernel. */
  readonly modules: ModuleRules;
  /** CPUs that the guest has to itself while it runs. */
  readonly cpus?: GuestCpus;
  /** What decides how fast the cores run that the guest runs on; absent: what does already. */
  readonly governor?: Governor;
  /** Microseconds within which CPUs of the host wake from sleep while the guest runs; absent: as they do. */
  readonly latency?: number;
  /** Whether the host may sleep while the guest runs; absent: it may. */
  readonly sleep?: SleepRule;
  /** What the guest gets of the host's screen: {@link ConfigScope} `guest` only. */
  readonly display?: DisplayRule;
  /** Whether guests may start where the IOMMU does not check interrupts: {@link ConfigScope} `all` only. */
  readonly allowUnsafeInterrupts: boolean;
}

/** Bounds, in milliseconds. */
export interface Timeouts {
  /** How long the kernel may take for one write (unbind, bind, resize, …) before it counts as stuck. */
  readonly kernelWrite: number;
  /** How long a start may take for all its kernel writes together, though never less than for one of them. */
  readonly run: number;
  /** How long one run of this program waits, in all, for others that work on the same guest or IOMMU group. */
  readonly lock: number;
  /** How long one script of a guest may take. */
  readonly script: number;
}

/** What to do with the devices that `match` names. */
export interface DeviceRule {
  readonly match: DeviceMatch;
  /** Size in bytes by BAR index (0 to 5), for the time that the guest has the device. */
  readonly bars: ReadonlyMap<number, number>;
  /** The driver to bind in place of the one that libvirt's rule would choose. */
  readonly driver?: string;
  /** Reset methods for the time that the guest has the device, in the order in which they are tried; empty: it is not reset. */
  readonly reset?: readonly ResetMethod[];
  /** `on`: it does not sleep while the guest has it. */
  readonly power?: 'on' | 'auto';
  /** Whether it may lose its power altogether while it sleeps. */
  readonly d3cold?: boolean;
  /** What is done to it between its unbind and its bind, in order. */
  readonly between?: readonly BetweenEntry[];
  /** What the device may be taken from although the host uses it for that; only in a rule for one device or model. */
  readonly allow?: readonly UseReason[];
}

/** One thing that is done to a device while no driver has it. */
export type BetweenEntry =
  | { readonly do: 'reset' }
  | { readonly do: 'power'; readonly to: 'on' | 'auto' }
  /** Bytes by BAR index; back to what they were when the guest gives the device back. */
  | { readonly do: 'bars'; readonly sizes: readonly { readonly bar: number; readonly size: number }[] }
  /** By its file name: it is in the directory `prepare/between` of the guest's scripts. */
  | { readonly do: 'script'; readonly name: string };

/** Units of systemd for the time of a guest. */
export interface ServiceRules {
  readonly stop: readonly Unit[];
  readonly start: readonly Unit[];
  /** `keep`: units that are known to have NVIDIA's cards open are left alone, and so is persistence mode. Absent: `auto`. */
  readonly nvidia?: 'auto' | 'keep';
}

/** Modules of the kernel around a guest. */
export interface ModuleRules {
  /** Modules of NVIDIA's driver where no card stays on it. `auto`: what keeps cards open by itself is unloaded. Absent: `auto`. */
  readonly nvidia?: 'auto' | 'keep' | 'unload';
  /** Those that are loaded for the guest, with underscores. */
  readonly load?: readonly string[];
  /** VFIO's are unloaded when nothing needs them any more: {@link ConfigScope} `all` only. */
  readonly unload?: boolean;
}

/** What is done about NVIDIA's driver. */
export interface NvidiaRules {
  readonly services: 'auto' | 'keep';
  readonly modules: 'auto' | 'keep' | 'unload';
}

/** The screen of the host, for a guest that gets the card it is on. */
export interface DisplayRule {
  /** `auto`: each graphics card that the guest is assigned. */
  readonly release: PciAddress | 'auto';
  /** Units that are stopped for it besides the display manager. */
  readonly stop: readonly Unit[];
}

/** Huge pages for the memory of a guest. */
export interface GuestHugepages {
  readonly sizeKb: number;
  /** `auto`: what the guest's XML comes to. */
  readonly count: number | 'auto';
  /** NUMA node; absent: any. */
  readonly node?: number;
}

/** CPUs that a guest has to itself. */
export interface GuestCpus {
  /** `auto`: those that its XML pins it to. */
  readonly isolate: CpuList;
  /** Whether interrupts of the host are kept off them as well. */
  readonly irqs: boolean;
}

/** A card that has virtual functions while a guest needs one of them. */
export interface CardRule {
  /** The physical function. */
  readonly pf: PciAddress;
  /** `all`: as many as the card can have. Absent: as many as the administrator has made. */
  readonly vfs?: number | 'all';
  /** Whether drivers of the host take those that no guest has. */
  readonly autoprobe: boolean;
  /** Nobody sets MAC addresses through the card but libvirt and this program: what they leave is cleared. */
  readonly unsetMacs?: boolean;
  /** What the driver of a graphics card deals out to the card itself. */
  readonly profile?: Profile;
  /** What single functions are like while a guest has them. */
  readonly functions?: readonly FunctionRule[];
}

/** What lives on a virtual function that stays on NVIDIA's driver while a guest has it. */
export interface VgpuRule {
  /** `auto`: the one that the guest is assigned and no other rule names. */
  readonly vf: PciAddress | 'auto';
  /** With `auto`: of this card only. */
  readonly pf?: PciAddress;
  /** Number or name of the vGPU type. */
  readonly type: number | string;
  /** As the driver takes them: `name=value,name=value`. */
  readonly params?: string;
}

/** What a mediated device is made of. */
export interface MdevRule {
  readonly uuid: string;
  /** A PCI address, another name below /sys/class/mdev_bus, or `auto`. */
  readonly parent: string;
  /** Id or name. */
  readonly type: string;
  readonly attributes: MdevAttributes;
}

/** What a virtual function is like while a guest has it. Absent: as it is. */
export interface FunctionRule {
  /** Its number: that of its link `virtfnN`. */
  readonly vf: number;
  /** Whose file says so. */
  readonly scope: ConfigScope;
  /** Lower case. */
  readonly mac?: string;
  readonly vlan?: number;
  readonly qos?: number;
  readonly trust?: boolean;
  readonly spoofcheck?: boolean;
  readonly state?: 'auto' | 'enable' | 'disable';
  /** Mbit/s; 0: no limit. */
  readonly maxTxRate?: number;
  readonly profile?: Profile;
}

/** Shares of a graphics card as its driver writes them, by the names of its files. */
export type Profile = Readonly<Partial<Record<ProfileKey, string>>>;

/** Names of such files. */
export const profileKeys = [
  'exec_quantum_ms',
  'preempt_timeout_us',
  'sched_priority',
  'vram_quota',
  'ggtt_quota',
  'contexts_quota',
  'doorbells_quota',
] as const;

export type ProfileKey = (typeof profileKeys)[number];

/** How the kernel can reset a device, by the names of `reset_method` (drivers/pci/pci.c:pci_reset_fn_methods). */
export const resetMethods = ['device_specific', 'acpi', 'flr', 'af_flr', 'pm', 'bus', 'cxl_bus'] as const;

export type ResetMethod = (typeof resetMethods)[number];

/** Syslog severities, least first. */
export type LogLevel = (typeof logLevels)[number];

/** Every {@link LogLevel}. */
export const logLevels = ['err', 'warning', 'notice', 'info', 'debug'] as const;

/** What one configuration file says; whatever it leaves out stays as it is. */
export interface PartialConfig {
  readonly timeouts?: Partial<Timeouts>;
  readonly devices?: readonly DeviceRule[];
  readonly log?: Partial<Config['log']>;
  readonly hugepages?: GuestHugepages;
  readonly sriov?: readonly CardRule[];
  readonly vgpu?: readonly VgpuRule[];
  readonly mdev?: readonly MdevRule[];
  readonly services?: ServiceRules;
  readonly modules?: ModuleRules;
  readonly cpus?: GuestCpus;
  readonly governor?: Governor;
  readonly latency?: number;
  readonly sleep?: SleepRule;
  readonly display?: DisplayRule;
  readonly allowUnsafeInterrupts?: boolean;
}

/** Whose configuration a file is: of all guests (config.yaml), or of one. */
export type ConfigScope = 'all' | 'guest';

/**
 * Turns the text of a configuration file into what it says. A bundle of its own provides it, so that a run
 * without any configuration file loads no YAML reader and no schema.
 */
export interface ConfigDecoder {
  /** `path` chooses the format by its ending and appears in messages; without a scope it is a guest's. Throws `VH_CONFIG`. */
  decodeConfigFile(text: string, path: string, scope?: ConfigScope): PartialConfig;
}

/** What to do so that the configuration of a guest has these rules. `purpose` says what for, in front of each hint. */
export type PlaceRules = (guest: GuestKey, rules: readonly DeviceRule[], purpose?: string) => readonly Hint[];

/** A decoder that can also say where in a file a rule belongs. */
export interface ConfigEditor extends ConfigDecoder {
  /** As `placeRules` of src/config/place-rules.ts. */
  placeRules(text: string, path: string, rules: readonly DeviceRule[], purpose?: string): readonly Hint[];
}

/** What holds where no configuration says otherwise. */
export const defaultConfig: Config = {
  timeouts: { kernelWrite: 30_000, run: 120_000, lock: 30_000, script: 120_000 },
  devices: [],
  log: { level: 'info' },
  sriov: [],
  vgpu: [],
  mdev: [],
  services: { stop: [], start: [] },
  modules: {},
  allowUnsafeInterrupts: false,
};

/** Puts a file's contents over `base`: single values replace, rules are appended. */
export function mergeConfig(base: Config, file: PartialConfig): Config {
  const pages = file.hugepages ?? base.hugepages;
  const cpus = file.cpus ?? base.cpus;
  const governor = file.governor ?? base.governor;
  const latency = file.latency ?? base.latency;
  const sleep = file.sleep ?? base.sleep;
  const display = file.display ?? base.display;
  const nvidia = file.services?.nvidia ?? base.services.nvidia;
  const load = [...(base.modules.load ?? []), ...(file.modules?.load ?? [])];
  return {
    timeouts: { ...base.timeouts, ...file.timeouts },
    devices: [...base.devices, ...(file.devices ?? [])],
    log: { ...base.log, ...file.log },
    ...(pages && { hugepages: pages }),
    sriov: mergeCards(base.sriov, file.sriov ?? []),
    vgpu: [...base.vgpu, ...(file.vgpu ?? [])],
    mdev: [...(file.mdev ?? []), ...base.mdev],
    services: {
      stop: [...base.services.stop, ...(file.services?.stop ?? [])],
      start: [...base.services.start, ...(file.services?.start ?? [])],
      ...(nvidia && { nvidia }),
    },
    modules: { ...base.modules, ...file.modules, ...(load.length > 0 && { load }) },
    ...(cpus && { cpus }),
    ...(governor && { governor }),
    ...(latency !== undefined && { latency }),
    ...(sleep && { sleep }),
    ...(display && { display }),
    allowUnsafeInterrupts: file.allowUnsafeInterrupts ?? base.allowUnsafeInterrupts,
  };
}

/** Cards by their address: what a later file says of one goes over what there is, function by function. */
function mergeCards(base: readonly CardRule[], file: readonly CardRule[]): readonly CardRule[] {
  const merged = base.map((card) => {
    const over = file.find(({ pf }) => pf === card.pf);
    if (!over) return card;
    const numbers = new Set((over.functions ?? []).map(({ vf }) => vf));
    const kept = (card.functions ?? []).filter(({ vf }) => !numbers.has(vf));
    const both = (over.functions ?? []).map((each) => ({
      ...card.functions?.find(({ vf }) => vf === each.vf),
      ...each,
    }));
    return { ...card, functions: [...kept, ...both] };
  });
  return [...merged, ...file.filter(({ pf }) => !base.some((card) => card.pf === pf))];
}
