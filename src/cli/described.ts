import { advice } from '../hint.ts';
import type { Claim } from '../claim/claim.ts';
import { claimKey } from '../claim/owner.ts';
import { defaultConfig, mergeConfig } from '../config/config.ts';
import type { ClaimStore } from '../engine/claim-store.ts';
import type { ConfigText } from '../engine/config-file.ts';
import type { Engine } from '../engine/engine.ts';
import { VfioHookError } from '../errors.ts';
import type { Host } from '../host/host.ts';
import type { MachineSpec } from '../../simulator/spec.ts';
import { noLog } from '../log/log.ts';
import type { Parts } from '../parts.ts';
import { sysfs } from '../pci/sysfs.ts';
import { cannotRead } from './operand.ts';

/**
 * Reads the description of a machine, such as one of examples/hosts or the output of `vfio-hook snapshot`.
 * Throws VH_FILE when the file cannot be read, VH_CONFIG when it describes no machine.
 */
export function readMachine(path: string, parts: Parts): MachineSpec {
  try {
    return parts.load('described.cjs').readDescription(path);
  } catch (error) {
    if (error instanceof VfioHookError) throw error;
    throw cannotRead(path, error, [
      advice(
        'give a file that describes a machine: one of examples/hosts, or what vfio-hook snapshot prints',
      ),
    ]);
  }
}

/** What an engine over a described machine needs besides its description. */
export interface DescribedOptions {
  readonly parts: Parts;
  /** The configuration of the guest, whichever it is. */
  readonly config?: ConfigText;
  /**
   * Files that are the same on every machine and that a description does not hold (pci.ids), and the machine
   * that they are read from.
   */
  readonly namesFrom: { readonly host: Host; readonly files: readonly string[] };
}

/**
 * An engine over a machine in memory, as it is right after booting: without a claim, without a configuration
 * but the one that is given. Nothing of it outlives the process.
 */
export function describedEngine(spec: MachineSpec, options: DescribedOptions): Engine {
  const { parts, config, namesFrom } = options;
  const machine = parts.load('described.cjs').createMachine(spec).host();
  const read = (path: string): string | undefined =>
    machine.read(path) ?? (namesFrom.files.includes(path) ? namesFrom.host.read(path) : undefined);
  return {
    host: { ...machine, read },
    store: claimsInMemory(),
    log: noLog,
    stateDirectory: '/run/vfio-hook',
    trustedUid: 0,
    bootId: (machine.read(sysfs.bootId) ?? '').trim(),
    clock: () => new Date(),
    loadConfig: () =>
      config
        ? mergeConfig(defaultConfig, parts.load('config.cjs').decodeConfigFile(config.text, config.path))
        : defaultConfig,
    ...(config && {
      placeRules: (_guest, rules, purpose) =>
        parts.load('config.cjs').placeRules(config.text, config.path, rules, purpose),
    }),
    interrupted: () => undefined,
  };
}

function claimsInMemory(): ClaimStore {
  const claims = new Map<string, Claim>();
  return {
    directory: '/run/vfio-hook/claims',
    all: () => ({ claims: [...claims.values()], damaged: [], outdated: [] }),
    one: (key) => ({ claims: [claims.get(key) ?? []].flat(), damaged: [], outdated: [] }),
    write: (claim) => void claims.set(claimKey(claim.owner), claim),
    remove: (key) => void claims.delete(key),
  };
}
