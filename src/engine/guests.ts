import { randomUUID } from 'node:crypto';
import { LIBVIRT } from '../distribution.ts';
import type { DefinedDomain, Domain } from '../domain/domain.ts';
import { outlineXml } from '../domain/outline.ts';
import { parseDomain } from '../domain/parse.ts';
import type { Host } from '../host/host.ts';

/** Where libvirt keeps what it knows of guests (src/qemu/qemu_conf.c:virQEMUDriverConfigNew). */
export const guestDirectories = {
  /** Definitions, `NAME.xml` each (src/conf/domain_conf.c:virDomainConfigFile). */
  defined: `${LIBVIRT}/qemu`,
  /** Links to the definitions of those that start with the host. */
  autostart: `${LIBVIRT}/qemu/autostart`,
  /** The state of those that run; a transient guest has a file only here. */
  running: '/run/libvirt/qemu',
} as const;

const ENDING = '.xml';

/** A guest that libvirt has a file for. */
export interface KnownGuest {
  readonly name: string;
  /** Its definition, or its running state when it has no definition. */
  readonly path: string;
  /** Whether it has no definition: it is gone when it ends. */
  readonly transient: boolean;
  /** Whether libvirt starts it with the host. */
  readonly autostart: boolean;
}

/** A guest, and the XML that was read. */
export interface ReadGuest {
  readonly domain: Domain;
  readonly xml: string;
  /** The file; absent for standard input. */
  readonly path?: string;
}

/**
 * Every guest that libvirt has a file for, each once, in order of file name; the transient ones last. libvirt itself is
 * not asked. The definition of a guest counts before its running state, as it does for its next start.
 * Throws an errno error when the files may not be looked at (EACCES: /etc/libvirt/qemu is for root).
 */
export function knownGuests(host: Host): KnownGuest[] {
  const autostarted = new Set(host.list(guestDirectories.autostart) ?? []);
  const defined = xmlFiles(host, guestDirectories.defined);
  const running = xmlFiles(host, guestDirectories.running);
  return [
    ...defined.map((file) => ({
      name: nameOf(file),
      path: `${guestDirectories.defined}/${file}`,
      transient: false,
      autostart: autostarted.has(file),
    })),
    ...running
      .filter((file) => !defined.includes(file))
      .map((file) => ({
        name: nameOf(file),
        path: `${guestDirectories.running}/${file}`,
        transient: true,
        autostart: false,
      })),
  ];
}

/** The XML of a guest that libvirt has a file for; undefined when the file went away. Throws VH_XML. */
export function readKnownGuest({ path }: KnownGuest, host: Host): ReadGuest | undefined {
  const text = host.read(path);
  return text === undefined ? undefined : { ...readGuestText(text), path };
}

/** A guest from a text that is its XML or libvirt's running state of it. Throws VH_XML. */
export function readGuestText(text: string): ReadGuest {
  const xml = definitionIn(text);
  return { domain: parseDomain(xml), xml };
}

/** The guest as libvirt hands it to a hook: where its XML has no UUID, with one made at random, as `virsh define` does. */
export function withUuid({ domain, xml }: ReadGuest): {
  readonly domain: DefinedDomain;
  readonly xml: string;
} {
  if (domain.uuid !== undefined) return { domain: { ...domain, uuid: domain.uuid }, xml };
  const uuid = randomUUID();
  const { root, startTag, children } = outlineXml(xml);
  const inside = [`<uuid>${uuid}</uuid>`, ...children.map((child) => child.xml)];
  return { domain: { ...domain, uuid }, xml: `${startTag}${inside.join('')}</${root}>` };
}

/** The state of a running guest has its definition inside (`<domstatus>`, src/conf/domain_conf.c:virDomainObjFormat). */
function definitionIn(text: string): string {
  const { root, children } = outlineXml(text);
  return root === 'domstatus' ? (children.find(({ name }) => name === 'domain')?.xml ?? text) : text;
}

function xmlFiles(host: Host, directory: string): string[] {
  return (host.list(directory) ?? []).filter((entry) => entry.endsWith(ENDING) && entry !== ENDING);
}

function nameOf(file: string): string {
  return file.slice(0, -ENDING.length);
}
