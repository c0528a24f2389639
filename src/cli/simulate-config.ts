import { chmodSync, copyFileSync, mkdirSync } from 'node:fs';
import { extname, join } from 'node:path';
import { guestFileName, type GuestKey } from '../config/guest-file.ts';
import { cannotRead } from './operand.ts';

/** Puts a configuration file where the hook looks for the guest's own, with a mode that it trusts. */
export function copyConfig(file: string, configDirectory: string, guest: Required<GuestKey>): void {
  const domains = join(configDirectory, 'domains');
  mkdirSync(configDirectory, { mode: 0o755 });
  mkdirSync(domains, { mode: 0o755 });
  const target = join(domains, guestFileName(guest).replace(/\.yaml$/, extname(file)));
  try {
    copyFileSync(file, target);
    chmodSync(target, 0o644);
  } catch (error) {
    throw cannotRead(file, error);
  }
}
