import { readFileSync } from 'node:fs';
import type { Domain } from '../domain/domain.ts';
import { parseDomain } from '../domain/parse.ts';
import { errnoOf, VfioHookError } from '../errors.ts';
import { readStdin } from '../hook/stdin.ts';

/** Reads the domain XML in a file, or on standard input for `-`. Throws VH_XML, and VH_USAGE for a file that cannot be read. */
export function readDomainFile(path: string): Domain {
  if (path === '-') return parseDomain(readStdin());
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new VfioHookError('VH_USAGE', `cannot read ${path}: ${errnoOf(error) ?? String(error)}`, {
      path,
      hints: ['give a file with the XML of a guest: virsh dumpxml GUEST > guest.xml'],
    });
  }
  return parseDomain(text);
}
