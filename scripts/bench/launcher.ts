import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** Writes the launcher as install.sh does, for the build, below a directory; returns the path that libvirt would call. */
export function installedHook(directory: string): string {
  const launcher = join(directory, 'vfio-hook');
  const text = readFileSync('dist/vfio-hook', 'utf8')
    .replace("\nchosen_node=''\n", `\nchosen_node='${process.execPath}'\n`)
    .replace("\nprogram=''\n", `\nprogram='${resolve('dist/hook.cjs')}'\n`);
  writeFileSync(launcher, text, { mode: 0o755 });
  const hook = join(directory, 'qemu');
  symlinkSync(launcher, hook);
  return hook;
}
