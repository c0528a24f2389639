import { defaultConfig } from '../config/config.ts';
import type { Claim } from '../claim/claim.ts';
import type { ClaimStore } from '../engine/claim-store.ts';
import type { Engine } from '../engine/engine.ts';
import { errnoOf, VfioHookError } from '../errors.ts';
import type { Host } from '../host/host.ts';
import type { MachineSpec } from '../host/simulated/spec.ts';
import { noLog } from '../log/log.ts';
import type { Parts } from '../parts.ts';
import { sysfs } from '../pci/sysfs.ts';

/**
 * Reads the description of a machine, such as one of examples/hosts or the output of `vfio-hook snapshot`.
 * Throws VH_USAGE when the file cannot be read, VH_CONFIG when it describes no machine.
 */
export function readMachine(path: string, parts: Parts): MachineSpec {
  try {
    return parts.load('described.cjs').readDescription(path);
  } catch (error) {
    if (error instanceof VfioHookError) throw error;
    throw new VfioHookError('VH_USAGE', `cannot read ${path}: ${errnoOf(error) ?? String(error)}`, {
      path,
      hints: [
        'give a file that describes a machine: one of examples/hosts, or what vfio-hook snapshot prints',
      ],
    });
  }
}

/**
 * An engine over a machine in memory, as it is right after booting: without a claim, without a configuration.
 * Nothing of it outlives the process. `names` has the files that are the same on every machine (pci.ids) and
 * that a description does not hold: they are read from this one.
 */
export function describedEngine(spec: MachineSpec, parts: Parts, names: NamesOfDevices): Engine {
  const machine = parts.load('described.cjs').createMachine(spec).host();
  const host: Host = {
    ...machine,
    read: (path) => machine.read(path) ?? (names.files.includes(path) ? names.host.read(path) : undefined),
  };
  return {
    host,
    store: claimsInMemory(),
    log: noLog,
    stateDirectory: '/run/vfio-hook',
    trustedUid: 0,
    bootId: (host.read(sysfs.bootId) ?? '').trim(),
    clock: () => new Date(),
    loadConfig: () => defaultConfig,
    interrupted: () => undefined,
  };
}

/** Where names of devices come from. */
export interface NamesOfDevices {
  readonly host: Host;
  readonly files: readonly string[];
}

function claimsInMemory(): ClaimStore {
  const claims = new Map<string, Claim>();
  return {
    directory: '/run/vfio-hook/claims',
    all: () => ({ claims: [...claims.values()], damaged: [], outdated: [] }),
    write: (claim) => void claims.set(claim.guest.uuid, claim),
    remove: (uuid) => void claims.delete(uuid),
  };
}
