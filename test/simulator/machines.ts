import assert from 'node:assert/strict';
import { readDescription } from '../../simulator/description.ts';
import { createMachine, type Machine } from '../../simulator/machine.ts';
import type { SimulatedHost } from '../../simulator/host.ts';
import type { MachineSpec } from '../../simulator/spec.ts';

/** Addresses on the machines of examples/hosts/ that the tests use. */
export const radeon = { gpu: '0000:03:00.0', audio: '0000:03:00.1', igpu: '0000:0f:00.0' } as const;

const specs = new Map<string, MachineSpec>();

/** A machine of examples/hosts/, as described. */
export function exampleSpec(name: string): MachineSpec {
  const known = specs.get(name) ?? readDescription(`examples/hosts/${name}.yaml`);
  specs.set(name, known);
  return known;
}

/** A machine of examples/hosts/, freshly booted, with parts of its description changed. */
export function example(name: string, change: Partial<MachineSpec> = {}): Machine {
  return createMachine({ ...exampleSpec(name), ...change });
}

/** The path of a device's attribute. */
export function attribute(address: string, name: string): string {
  return `/sys/bus/pci/devices/${address}/${name}`;
}

/** Name of the driver that sysfs shows for a device. */
export function driverShown(host: SimulatedHost, address: string): string | undefined {
  return host.readLink(attribute(address, 'driver'))?.split('/').pop();
}

/** What a write is answered with: `ok`, an errno, or `stuck`. */
export async function answer(
  host: SimulatedHost,
  path: string,
  value: string,
  deadline = 100,
): Promise<string> {
  const result = await host.write(path, value, deadline);
  if (result.kind === 'refused') return result.errno;
  return result.kind === 'written' ? 'ok' : 'stuck';
}

/** Hands devices to vfio-pci as the program does: override, unbind, bind. */
export async function toVfio(host: SimulatedHost, ...addresses: readonly string[]): Promise<void> {
  assert.equal((await host.loadModule('vfio-pci', 100)).kind, 'loaded');
  for (const address of addresses) {
    const driver = driverShown(host, address);
    assert.equal(await answer(host, attribute(address, 'driver_override'), 'vfio-pci'), 'ok');
    if (driver !== undefined) {
      assert.equal(await answer(host, `/sys/bus/pci/drivers/${driver}/unbind`, address), 'ok');
    }
    assert.equal(await answer(host, '/sys/bus/pci/drivers/vfio-pci/bind', address), 'ok');
  }
}
