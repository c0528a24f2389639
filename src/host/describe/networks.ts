import type { PciAddress } from '../../pci/address.ts';
import { sysfs } from '../../pci/sysfs.ts';
import type { Host } from '../host.ts';
import type { WrittenDevice } from '../simulated/description-schema.ts';
import { publicInterface, publicMaster } from './privacy.ts';
import { classEntries } from './topology.ts';

type Net = NonNullable<WrittenDevice['net']>;

/** The interface of each PCI device: of several the one with the default route, else one that is up. No address is read. */
export function networksOf(host: Host): Map<PciAddress, Net> {
  const routes = defaultRoutes(host);
  const found = new Map<PciAddress, Net>();
  for (const [index, { name, device }] of classEntries(host, 'net').entries()) {
    const attribute = (file: string): string => `${sysfs.class('net')}/${name}/${file}`;
    const master = host.readLink(attribute('master'))?.split('/').pop();
    const net: Net = {
      name: publicInterface(name, index),
      up: host.read(attribute('operstate'))?.trim() === 'up',
      defaultRoute: routes.has(name) || (master !== undefined && routes.has(master)),
      ...(master !== undefined && { master: publicMaster(master) }),
    };
    const known = found.get(device);
    if (!known || rank(net) > rank(known)) found.set(device, net);
  }
  return found;
}

function rank({ defaultRoute, up }: Net): number {
  return (defaultRoute === true ? 2 : 0) + (up === true ? 1 : 0);
}

/** Interfaces with a default route: /proc/net/route has destination 0, /proc/net/ipv6_route destination and length 0. */
function defaultRoutes(host: Host): Set<string> {
  const lines = (path: string): string[][] =>
    (host.read(path) ?? '').split('\n').map((line) => line.trim().split(/\s+/));
  const four = lines(sysfs.ipv4Routes).flatMap(([name, destination]) =>
    destination === '00000000' && name !== undefined ? [name] : [],
  );
  const six = lines(sysfs.ipv6Routes).flatMap((fields) => {
    const name = fields[9];
    return /^0{32}$/.test(fields[0] ?? '') && fields[1] === '00' && name !== undefined && name !== 'lo'
      ? [name]
      : [];
  });
  return new Set([...four, ...six]);
}
