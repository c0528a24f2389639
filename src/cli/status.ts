import type { Claim, ClaimedDevice } from '../claim/claim.ts';
import type { Engine } from '../engine/engine.ts';
import { reasonToLeave } from '../engine/recover.ts';
import { boundDriver } from '../steps/attributes.ts';
import { jsonOption, machineOption, type Command } from './command.ts';
import { escapeControl } from '../text.ts';
import { jsonText } from './json.ts';

/** `vfio-hook status`: who holds which devices, and what waits to be put back. */
export const status: Command = {
  name: 'status',
  about: 'show which guest holds which devices, and what is not back yet',
  details:
    'Shows each claim: the guest, since when it holds its devices, what they were before, and kernel writes\n' +
    'that have not returned. Changes nothing.',
  operands: [],
  options: [jsonOption, machineOption],
  statuses: { 0: 'fine', 1: 'failed', 2: 'something is not back, or a claim cannot be read' },
  examples: ['vfio-hook status', 'vfio-hook status --json'],
  run: (call, terminal) => {
    const engine = terminal.openEngine(call);
    const stored = engine.store.all();
    const libvirt = engine.host.libvirtProcesses();
    const claims = stored.claims.map((claim) => ({ ...claim, left: reasonToLeave(engine, claim, libvirt) }));
    const trouble =
      stored.damaged.length > 0 ||
      claims.some(({ state, left }) => state === 'incomplete' || state === 'stuck' || left === undefined);
    if (call.options.has('json')) {
      terminal.print(
        jsonText({ claims: claims.map((claim) => asJson(engine, claim)), damaged: stored.damaged }),
      );
      return trouble ? 2 : 0;
    }
    for (const claim of claims) terminal.print(claimText(engine, claim, claim.left));
    for (const { path, reason } of stored.damaged)
      terminal.print(escapeControl(`! ${path} cannot be trusted: ${reason}`));
    if (claims.length + stored.damaged.length === 0) terminal.print('no guest holds a device');
    return trouble ? 2 : 0;
  },
};

function asJson(engine: Engine, claim: Claim): unknown {
  return {
    ...claim,
    devices: claim.devices.map((device) => ({
      ...device,
      now: boundDriver(engine.host, device.address) ?? null,
    })),
  };
}

function claimText(engine: Engine, claim: Claim, left: string | undefined): string {
  return [
    `guest ${claim.guest.name} (${claim.guest.uuid}): ${claim.state} since ${claim.claimedAt}`,
    ...claim.devices.map((device) => `  ${deviceText(engine, device)}`),
    ...claim.stuck.map(({ step, writer }) => `  ! waits in the kernel: ${step} (process ${writer.pid})`),
    ...claim.leftovers.map((leftover) => `  ! ${leftover}`),
    left === undefined ? '  its guest is gone: vfio-hook recover' : `  ${left}`,
  ]
    .map(escapeControl)
    .join('\n');
}

function deviceText(engine: Engine, { address, group, original }: ClaimedDevice): string {
  const now = boundDriver(engine.host, address) ?? 'no driver';
  return `${address} (IOMMU group ${group}) on ${now}, before: ${original.driver ?? 'no driver'}`;
}
