import type { Fact, Operation, Role } from './contract.ts';

/** Short ways to say what the rows say often. */

/** Writes driver_override; the newline is part of `text` where there is one. */
export function override(role: Role, text: string): Operation {
  return { write: `{dev ${role}}/driver_override`, data: text };
}

export function bind(driver: string, role: Role): Operation {
  return { write: `/sys/bus/pci/drivers/${driver}/bind`, data: `{${role}}` };
}

export function unbind(driver: string, role: Role): Operation {
  return { write: `/sys/bus/pci/drivers/${driver}/unbind`, data: `{${role}}` };
}

export function probe(role: Role): Operation {
  return { write: '/sys/bus/pci/drivers_probe', data: `{${role}}` };
}

/** Writes an attribute of a device. */
export function set(role: Role, attribute: string, data: string): Operation {
  return { write: `{dev ${role}}/${attribute}`, data };
}

/** From a host driver, or none, to vfio-pci. */
export function toVfio(role: Role, from?: string): Operation[] {
  return [
    override(role, 'vfio-pci\n'),
    ...(from === undefined ? [] : [unbind(from, role)]),
    bind('vfio-pci', role),
  ];
}

export function open(guest: string, ...roles: Role[]): Operation {
  return { openGroup: roles, guest };
}

export function driver(role: Role, is: string | null): Fact {
  return { link: `{dev ${role}}/driver`, is };
}

export function overrideIs(role: Role, is: string): Fact {
  return { text: `{dev ${role}}/driver_override`, is };
}

/** Text of an attribute. */
export function reads(role: Role, attribute: string, is: string): Fact {
  return { text: `{dev ${role}}/${attribute}`, is };
}

/** Whether /dev/vfio/N is there for the device's group. */
export function groupNode(role: Role, is: boolean): Fact {
  return { exists: `/dev/vfio/{group ${role}}`, is };
}
