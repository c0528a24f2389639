import { cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';

import type { CaseContext } from './case.ts';
import { execute, type Execution, must } from './execute.ts';

/** Installs the product by its own script, with the suite's own Node, from the build that the share carries. */
export async function installProduct(): Promise<string> {
  cpSync('/share/product', '/root/product', { recursive: true });
  return must('sh', ['/root/product/install.sh'], { limit: 120 });
}

export async function uninstallProduct(): Promise<string> {
  return must('sh', ['/root/product/install.sh', '--uninstall'], { limit: 120 });
}

/** Runs the command `vfio-hook`. */
export async function vfioHook(...args: readonly string[]): Promise<Execution> {
  return execute('/usr/sbin/vfio-hook', args);
}

/** Writes the configuration of one guest for the time of a case. */
export function configure(context: CaseContext, guest: string, yaml: string): void {
  writeConfiguration(context, `domains/${guest}.yaml`, yaml);
}

/** Writes the configuration of the host for the time of a case. */
export function configureHost(context: CaseContext, yaml: string): void {
  writeConfiguration(context, 'config.yaml', yaml);
}

function writeConfiguration(context: CaseContext, name: string, yaml: string): void {
  const file = `/etc/vfio-hook/${name}`;
  mkdirSync('/etc/vfio-hook/domains', { recursive: true });
  writeFileSync(file, yaml, { mode: 0o644 });
  context.afterwards(() => {
    // A case may have written it more than once.
    rmSync(file, { force: true });
  });
}

/** Where the product says what it did: for the reason of a failed case. */
export const productLog = '/var/log/libvirt/vfio-hook.log';

export function hasProduct(): boolean {
  return existsSync('/share/product/install.sh');
}
