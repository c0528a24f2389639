import { chmodSync, copyFileSync, mkdirSync } from 'node:fs';
import { extname, join } from 'node:path';
import { errnoOf, VfioHookError } from '../errors.ts';

/** Puts a configuration file where the hook looks for the guest's own, with a mode that it trusts. */
export function copyConfig(file: string, configDirectory: string, guest: string): void {
  const domains = join(configDirectory, 'domains');
  mkdirSync(configDirectory, { mode: 0o755 });
  mkdirSync(domains, { mode: 0o755 });
  // Percent-encoded: a guest's name may hold what a file's name cannot.
  const target = join(domains, `${encodeURIComponent(guest).replace(/^\./, '%2E')}${extname(file)}`);
  try {
    copyFileSync(file, target);
    chmodSync(target, 0o644);
  } catch (error) {
    throw new VfioHookError('VH_USAGE', `cannot read ${file}: ${errnoOf(error) ?? String(error)}`, {
      path: file,
    });
  }
}
