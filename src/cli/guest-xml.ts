import { readFileSync } from 'node:fs';
import type { Domain } from '../domain/domain.ts';
import { parseDomain } from '../domain/parse.ts';
import { errnoOf, VfioHookError } from '../errors.ts';
import { readStdin } from '../hook/stdin.ts';
import type { Host } from '../host/host.ts';

export interface GuestXml {
  readonly domain: Domain;
  readonly xml: string;
  readonly path?: string;
}

export function readGuest(operand: string, host: Host): GuestXml {
  const withDomain = (xml: string): GuestXml => ({ domain: parseDomain(xml), xml });
  if (operand === '-') return withDomain(readStdin());
  const known = operand.includes('/') ? undefined : host.read(`/etc/libvirt/qemu/${operand}.xml`);
  if (known !== undefined) return withDomain(known);
  try {
    return withDomain(readFileSync(operand, 'utf8'));
  } catch (error) {
    if (error instanceof VfioHookError) throw error;
    throw new VfioHookError('VH_XML', `cannot read ${operand}: ${errnoOf(error) ?? String(error)}`);
  }
}
