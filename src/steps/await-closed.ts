import type { Host } from '../host/host.ts';
import { boundDriver } from '../observe/bound-driver.ts';
import { deviceNodes, heldUses } from '../observe/uses/holders.ts';
import type { DeviceUse } from '../pci/use.ts';
import type { StepDefinition } from './definition.ts';
import type { AwaitClosed } from './step.ts';

/** Milliseconds between two looks. */
const BETWEEN_MS = 100;

/**
 * Programs of a session end a moment after what has begun it, and nothing tells when the last one has: so it is looked. A
 * driver whose nodes are open would wait in the kernel, where nobody can end it.
 */
export const awaitClosed: StepDefinition<AwaitClosed> = {
  describe: ({ device }) => `wait until nobody has ${device} open`,
  command: ({ device }) => `fuser -v /dev/dri/by-path/pci-${device}-* /dev/snd/by-path/pci-${device}*`,
  already: async (step, host, deadlineMs) => (await openUse(step, host, deadlineMs)) === undefined,
  apply: async (step, host, deadlineMs) => {
    const end = host.now() + deadlineMs;
    for (;;) {
      const use = await openUse(step, host, Math.max(0, end - host.now()));
      if (!use) return { kind: 'done' };
      if (host.now() + BETWEEN_MS >= end) {
        const reason = `${use.detail} after ${Math.round(deadlineMs / 1000)} s`;
        return { kind: 'failed', reason, hints: use.hints };
      }
      await host.pause(BETWEEN_MS);
    }
  },
  // What is open again is refused when the devices are planned anew.
  verify: () => Promise.resolve(undefined),
};

/** Who has it open and does not let go by itself. */
async function openUse(
  { device }: AwaitClosed,
  host: Host,
  deadlineMs: number,
): Promise<DeviceUse | undefined> {
  const driver = boundDriver(host, device);
  if (driver === undefined) return undefined;
  const nodes = await deviceNodes(host, [{ address: device, driver }], deadlineMs);
  const { holders } = host.openFiles(nodes.map(({ path }) => path));
  return heldUses({ host, nodes, holders }).find(({ yields }) => yields !== true);
}
