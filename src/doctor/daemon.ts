import type { Host } from '../host/host.ts';
import { installedLibvirt } from '../observe/take-snapshot.ts';
import { libvirtFacts } from '../pci/libvirt-facts.ts';
import type { Check } from './examination.ts';
import { isExecutable, target } from './files.ts';
import { ok, unknown, warning } from './finding.ts';
import { advice, command } from '../hint.ts';
import { dropIns, installAgain, ourEntries } from './installed.ts';
import { places } from './places.ts';

/** libvirt's daemon, as its process shows it. */
export interface Daemon {
  readonly name: 'libvirtd' | 'virtqemud';
  readonly pid: number;
  /** Milliseconds since 1970; absent when /proc does not tell. */
  readonly startedMs?: number;
}

/** The daemon that runs hooks, when it runs. Socket activation lets it end when it is idle. */
export function runningDaemon(host: Host): Daemon | undefined {
  const [pid] = host.libvirtDaemons();
  if (pid === undefined) return undefined;
  const name = host.read(places.process(pid, 'comm'))?.trim() === 'virtqemud' ? 'virtqemud' : 'libvirtd';
  const startedMs = startOf(host, pid);
  return { name, pid, ...(startedMs !== undefined && { startedMs }) };
}

/** Clock ticks of /proc in a second: USER_HZ, 100 on every architecture that libvirt runs guests on. */
const TICKS = 100;

/** Field 22 of /proc/PID/stat counts from the boot, whose time /proc/stat has (proc(5)). */
function startOf(host: Host, pid: number): number | undefined {
  const stat = host.read(places.process(pid, 'stat'));
  const ticks = Number(stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
  const boot = Number(/^btime (\d+)$/m.exec(host.read(places.kernelStatus) ?? '')?.[1]);
  return Number.isFinite(ticks) && Number.isFinite(boot) ? boot * 1000 + (ticks * 1000) / TICKS : undefined;
}

/**
 * libvirt remembers from its start, or its last reload, whether there was any hook for QEMU
 * (src/util/virhook.c:virHookInitialize). When that was is nowhere written down, so it is told by what came later.
 */
export const hookNoticed: Check = {
  title: 'hook noticed by libvirt',
  run: ({ host }) => {
    const entries = [places.hook, ...dropIns(host)].filter((path) =>
      isExecutable(target(host, path)?.status),
    );
    if (ourEntries(host).length === 0) return ok('there is no hook of ours to be noticed');
    const daemon = runningDaemon(host);
    if (!daemon) return ok('libvirt is not running: it finds the hook when it starts');
    const { name, pid, startedMs } = daemon;
    if (entries.length === 0) return unknown('there is no executable hook that libvirt could notice');
    const changes = entries.flatMap((path) => host.status(path)?.changedMs ?? []);
    if (startedMs === undefined || changes.length === 0) {
      return unknown(`since when ${name} (pid ${pid}) runs cannot be seen`);
    }
    const came = Math.min(...changes);
    if (came <= startedMs) return ok(`${name} (pid ${pid}) was started after the hook came`);
    if (later(host, places.reloaded, came)) return ok(`${name} (pid ${pid}) was reloaded by install.sh`);
    if (later(host, places.claims, came)) return ok(`${name} (pid ${pid}) has run the hook since it came`);
    return warning(
      `the hook came ${duration(came - startedMs)} after ${name} (pid ${pid}) was started; unless it was reloaded since, it does not run the hook, and says nothing`,
      command(`systemctl reload ${name}.service`),
    );
  },
};

/** Both are below a directory that only root may enter: what cannot be seen is no evidence. */
function later(host: Host, path: string, ms: number): boolean {
  try {
    return (host.status(path)?.changedMs ?? -1) >= ms;
  } catch {
    return false;
  }
}

function duration(ms: number): string {
  const minutes = Math.round(ms / 60_000);
  if (minutes < 1) return `${Math.max(1, Math.round(ms / 1000))} s`;
  if (minutes < 120) return `${minutes} min`;
  return minutes < 2880 ? `${Math.round(minutes / 60)} h` : `${Math.round(minutes / 1440)} days`;
}

/** The installed libvirt is one that this program was tried with. */
export const libvirtVersion: Check = {
  title: 'libvirt version',
  run: ({ host }) => {
    const version = installedLibvirt(host);
    if (version === undefined) return unknown('libvirt.so.0 is not where distributions put it');
    const facts = libvirtFacts(version);
    if (!facts.runsDropIns && dropIns(host).length > 0) {
      return warning(
        `libvirt ${version} does not know ${places.dropIns} (6.5 does): what is in it does not run`,
        advice('install libvirt 9.0 or later'),
      );
    }
    if (!facts.known) {
      return warning(
        `libvirt ${version} is older than 9.0, with which this program was never tried`,
        advice('install libvirt 9.0 or later'),
      );
    }
    return ok(`libvirt ${version}`);
  },
};

/** The unit that install.sh enables, and where its files and links may be. */
const UNIT = 'vfio-hook-recover.service';

/** Devices of guests that libvirt lost track of are given back before its daemon starts again. */
export const recoverUnit: Check = {
  title: 'recovery when libvirt starts',
  run: ({ host }) => {
    if (host.list(places.systemd) === undefined) return ok('systemd does not run here');
    if (!places.units.some((directory) => host.status(`${directory}/${UNIT}`) !== undefined)) {
      return warning(
        `there is no ${UNIT}: what a guest held whose release never came waits for vfio-hook recover`,
        installAgain(host),
      );
    }
    const [etc] = places.units;
    const enabled = (host.list(etc) ?? []).some(
      (name) => /\.(?:wants|requires)$/.test(name) && host.status(`${etc}/${name}/${UNIT}`) !== undefined,
    );
    return enabled
      ? ok(`${UNIT} is enabled`)
      : warning(`${UNIT} is not enabled`, command(`systemctl enable ${UNIT}`));
  },
};
