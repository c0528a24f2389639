import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { VfioHookError } from '../../src/errors.ts';

/** Name and UUID of the guest that {@link guest} makes. */
export const NAME = 'vm1';
export const UUID = '82eef905-a0c9-4093-ab06-790e7ebe014c';

/** What every message of the parser begins with. */
export const PREFIX = 'cannot read the domain XML: ';

/** A small guest with these device elements. */
export function guest(
  devices: string,
  { name = NAME, uuid = UUID, attributes = '', tail = '' }: GuestParts = {},
): string {
  return `<domain type='kvm' id='1'${attributes}><name>${name}</name><uuid>${uuid}</uuid><devices>${devices}</devices>${tail}</domain>`;
}

interface GuestParts {
  readonly name?: string;
  readonly uuid?: string;
  /** Of `<domain>`, with a blank before. */
  readonly attributes?: string;
  /** After `</devices>`. */
  readonly tail?: string;
}

/** A `<hostdev>` with this source address, given by the text of its attributes. */
export function hostdev(address: string, attributes = "type='pci' managed='yes'"): string {
  return `<hostdev mode='subsystem' ${attributes}><source><address ${address}/></source><address type='pci' bus='0x05' slot='0x00'/></hostdev>`;
}

/** The attributes of an address as libvirt prints them. */
export function pci(bus: number, slot = 0, fn = 0, domain = 0): string {
  const hex = (value: number, digits: number): string => `0x${value.toString(16).padStart(digits, '0')}`;
  return `domain='${hex(domain, 4)}' bus='${hex(bus, 2)}' slot='${hex(slot, 2)}' function='0x${fn}'`;
}

/** A `<qemu:commandline>` with these arguments. */
export function commandline(...values: readonly string[]): string {
  const escape = (text: string): string =>
    text.replaceAll('&', '&amp;').replaceAll("'", '&apos;').replaceAll('<', '&lt;');
  const args = values.map((value) => `<qemu:arg value='${escape(value)}'/>`).join('');
  return `<qemu:commandline>${args}</qemu:commandline>`;
}

/** Binds the prefix of {@link commandline} at `<domain>`. */
export const QEMU = " xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'";

/** The example documents by file name without its extension. */
export function examples(): readonly Document[] {
  return documentsIn(fileURLToPath(new URL('../../examples/domains/', import.meta.url)), '');
}

/** What three versions of libvirt gave a hook, recorded. */
export function captures(): readonly Document[] {
  const folder = fileURLToPath(new URL('captures/', import.meta.url));
  return readdirSync(folder).flatMap((version) => documentsIn(`${folder}${version}/`, `${version}/`));
}

/** A document in a file. */
export interface Document {
  readonly title: string;
  readonly xml: string;
}

function documentsIn(folder: string, prefix: string): Document[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.xml'))
    .map((file) => ({ title: prefix + file.slice(0, -4), xml: readFileSync(folder + file, 'utf8') }));
}

/** The message with which `action` refuses, without {@link PREFIX}. Fails when it throws anything but VH_XML. */
export function refusalOf(action: () => unknown): string {
  try {
    const result = action();
    assert.fail(`expected a refusal, got ${JSON.stringify(result)}`);
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error;
    assert.ok(error instanceof VfioHookError, `expected a VfioHookError, got ${String(error)}`);
    assert.equal(error.code, 'VH_XML');
    assert.ok(error.message.startsWith(PREFIX), error.message);
    // eslint-disable-next-line no-control-regex -- what a message must never hold
    assert.doesNotMatch(error.message, /[\0-\x1f\x7f-\x9f]|\.$/);
    return error.message.slice(PREFIX.length);
  }
}
