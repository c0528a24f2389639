import type { Config } from '../../src/config/config.ts';
import type { Examination } from '../../src/doctor/examination.ts';
import type { InspectedConfig } from '../../src/engine/inspect-config.ts';
import { libvirtGuests, readGuestXml } from '../../src/doctor/guests.ts';
import type { FileFacts, MachineSpec } from '../../simulator/spec.ts';
import type { Domain } from '../../src/domain/domain.ts';
import { guest, machineSpec, type Scenario, type ScenarioOptions } from '../scenario.ts';

/** Pid of libvirt's daemon on every simulated machine. */
const DAEMON = 812;
/** The daemon starts 20 s after the boot. */
export const BOOT = 1_800_000_000;
export const DAEMON_START_MS = (BOOT + 20) * 1000;

const LIB = '/usr/lib/vfio-hook';
/** Where the parts of the program are. */
export const PARTS = `${LIB}/0.1.0-00000000`;
/** The launcher as install.sh fills it in. */
export function launcherText(node: string, hook = `${LIB}/hook.cjs`): string {
  return `#!/bin/sh\n# The first lines of the launcher.\nchosen_node='${node}'\nprogram='${hook}'\n`;
}
const program = { mode: 0o755 } satisfies FileFacts;

/** Files of a machine on which everything is as install.sh leaves it. */
export const installedFiles: Readonly<Record<string, string>> = {
  '/proc/cpuinfo': 'vendor_id\t: AuthenticAMD\n',
  '/proc/interrupts': '  24:  0  0  IR-PCI-MSI-0000:03:00.0  0-edge  amdgpu\n',
  '/proc/stat': `cpu 1 2 3\nbtime ${BOOT}\n`,
  [`/proc/${DAEMON}/comm`]: 'libvirtd\n',
  [`/proc/${DAEMON}/stat`]: `${DAEMON} (libvirtd) S ${'0 '.repeat(18)}2000 0 0\n`,
  [`/proc/${DAEMON}/attr/current`]: 'unconfined\n',
  '/sys/firmware/acpi/tables/IVRS': '',
  '/sys/kernel/security/lockdown': '[none] integrity confidentiality\n',
  '/etc/libvirt/hooks/qemu': '-> /usr/sbin/vfio-hook',
  '/usr/sbin/vfio-hook': launcherText('/usr/bin/node'),
  [`${LIB}/hook.cjs`]: '// parts: 0.1.0-00000000\n"use strict";',
  ...Object.fromEntries(
    ['cli', 'config', 'domain', 'log', 'simulated'].map((part) => [`${PARTS}/${part}.cjs`, '']),
  ),
  '/usr/bin/node': 'ELF',
  ...Object.fromEntries(
    ['dd', 'env', 'grep', 'head', 'flock', 'ip', 'logger', 'stat'].map((name) => [`/usr/bin/${name}`, 'ELF']),
  ),
  '/usr/sbin/modprobe': 'ELF',
};

/** Owner and mode of what is not 0644. */
export const installedFacts: Readonly<Record<string, FileFacts>> = Object.fromEntries(
  Object.keys(installedFiles)
    .filter((path) => /^\/usr\/s?bin\//.test(path))
    .map((path) => [path, program]),
);

/** What is different from a machine on which everything is well. */
export interface Situation {
  readonly host?: string;
  /** Text by path; null takes the file away. */
  readonly files?: Readonly<Record<string, string | null>>;
  readonly facts?: Readonly<Record<string, FileFacts>>;
  readonly machine?: Partial<MachineSpec>;
  readonly devices?: ScenarioOptions['devicesOfHost'];
  readonly config?: Partial<Config>;
  readonly configFiles?: readonly InspectedConfig[];
  readonly runtime?: Examination['runtime'];
  /** Definitions of guests by file name without its ending. */
  readonly guests?: Readonly<Record<string, string>>;
  readonly autostart?: readonly string[];
  /** What happened on the machine. */
  readonly happened?: (scenario: Scenario) => void | Promise<void>;
}

/** A machine in a situation, as the options of a scenario. */
export function machineOf(situation: Situation): ScenarioOptions {
  const host = situation.host ?? 'amd-rdna3-desktop';
  const described = machineSpec(host);
  const guests = Object.entries(situation.guests ?? {}).map(([name, xml]): [string, string] => [
    `/etc/libvirt/qemu/${name}.xml`,
    xml,
  ]);
  const autostart = (situation.autostart ?? []).map((name): [string, string] => [
    `/etc/libvirt/qemu/autostart/${name}.xml`,
    `-> /etc/libvirt/qemu/${name}.xml`,
  ]);
  const files: Readonly<Record<string, string | null>> = {
    ...described.files,
    ...installedFiles,
    ...Object.fromEntries([...guests, ...autostart]),
    ...situation.files,
  };
  return {
    host,
    machine: {
      ...situation.machine,
      files: Object.fromEntries(
        Object.entries(files).filter((entry): entry is [string, string] => entry[1] !== null),
      ),
      fileFacts: { ...described.fileFacts, ...installedFacts, ...situation.facts },
    },
    ...(situation.devices && { devicesOfHost: situation.devices }),
    ...(situation.config && { config: situation.config }),
  };
}

/** What the checks work with, on the machine of a scenario. */
export function examinationOf(scenario: Scenario, situation: Situation): Examination {
  const engine = scenario.engine();
  const { configFiles = [] } = situation;
  return {
    host: engine.host,
    engine,
    runtime: situation.runtime ?? { path: '/usr/bin/node', version: 'v20.19.2' },
    hasFiles: true,
    configFiles: () => configFiles,
    guests: () => libvirtGuests(engine.host),
  };
}

/** What a definition of libvirt looks like. */
export interface GuestText {
  readonly name?: string;
  /** Children of `<domain>` besides name, uuid, memory and devices. */
  readonly inside?: string;
  readonly devices?: string;
  readonly memory?: string;
  readonly attributes?: string;
}

/** The XML of a guest, with a UUID made of its name. */
export function domainXml({
  name = 'win11',
  inside = '',
  devices = '',
  memory = "<memory unit='GiB'>16</memory>",
  attributes = '',
}: GuestText): string {
  const { uuid } = guest(name);
  return `<!-- auto-generated -->\n<domain type='kvm'${attributes}>\n<name>${name}</name><uuid>${uuid}</uuid>${memory}${inside}<devices>${devices}</devices></domain>\n`;
}

/** A `<hostdev>` of this host address; `inside` is more of its children. */
export function hostdev(address: string, inside = '', managed = 'yes'): string {
  const [domain = '', bus = '', slot = '', fn = ''] = address.split(/[:.]/);
  return `<hostdev mode='subsystem' type='pci' managed='${managed}'><source><address domain='0x${domain}' bus='0x${bus}' slot='0x${slot}' function='0x${fn}'/></source>${inside}</hostdev>`;
}

/** The guest of a definition, for prepare. */
export function domainOf(xml: string): Domain {
  return readGuestXml(xml).domain;
}
