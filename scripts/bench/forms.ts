import { chmodSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { readDescription } from '../../simulator/description.ts';
import { MACHINE_FILE } from '../../simulator/entry.ts';
import { createMachineFile } from '../../simulator/machine.ts';

/** One thing that is measured. */
export interface Form {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  readonly stdin: string;
  /** Done before each run, unmeasured. */
  readonly before?: () => void;
}

/**
 * What is compared, in the order of a round. A preparation is followed by its release, on a machine that has
 * just booted: one that keeps its journal of all rounds would be slower each time. All state lies below
 * `directory`.
 */
export function forms(directory: string): Form[] {
  const xml = readFileSync('examples/domains/windows-11-rx7900xtx.xml', 'utf8');
  // Without its USB device: the launcher leaves it to Node to tell which kind of host device it is.
  const plainXml = readFileSync('examples/domains/without-host-devices.xml', 'utf8').replace(
    /<hostdev[^]*<\/hostdev>\s*/,
    '',
  );
  const machine = join(directory, 'machine');
  mkdirSync(machine);
  const description = readDescription('examples/hosts/amd-rdna3-desktop.yaml');
  const boot = (): void => {
    createMachineFile(join(machine, MACHINE_FILE), description);
    rmSync(join(machine, 'run'), { recursive: true, force: true });
  };
  const hook = join(directory, 'qemu');
  symlinkSync(installedLauncher(directory), hook);
  const dispatcher = bashDispatcher(directory);
  const guest = 'win11-rx7900';
  const simulated = ['--simulated-machine', machine];
  return [
    { name: 'bare node', command: [process.execPath, '-e', '0'], stdin: xml },
    {
      before: boot,
      name: 'prepare/begin',
      command: [hook, guest, 'prepare', 'begin', '-', ...simulated],
      stdin: xml,
    },
    { name: 'release/end', command: [hook, guest, 'release', 'end', 'shutdown', ...simulated], stdin: xml },
    { name: 'no-op (started/begin)', command: [hook, guest, 'started', 'begin', '-'], stdin: xml },
    {
      name: 'prepare/begin, no host devices',
      command: [hook, 'web-server', 'prepare', 'begin', '-'],
      stdin: plainXml,
    },
    {
      name: 'release/end, no host devices',
      command: [hook, 'web-server', 'release', 'end', 'shutdown'],
      stdin: plainXml,
    },
    {
      name: 'bash dispatcher, prepare/begin',
      command: [dispatcher, guest, 'prepare', 'begin', '-'],
      stdin: xml,
    },
    { name: 'bash dispatcher, no-op', command: [dispatcher, guest, 'started', 'begin', '-'], stdin: xml },
  ];
}

/** The launcher as install.sh writes it, for the build. */
function installedLauncher(directory: string): string {
  const launcher = join(directory, 'vfio-hook');
  const text = readFileSync('dist/vfio-hook', 'utf8')
    .replace("\nchosen_node=''\n", `\nchosen_node='${process.execPath}'\n`)
    .replace("\nprogram=''\n", `\nprogram='${resolve('dist/hook.cjs')}'\n`);
  writeFileSync(launcher, text, { mode: 0o755 });
  return launcher;
}

/**
 * A dispatcher of the usual shape (look for an executable below qemu.d/GUEST/OPERATION/SUB-OPERATION and run
 * it), and one script that makes the same writes, on plain files.
 */
function bashDispatcher(directory: string): string {
  const sysfs = join(directory, 'sys');
  const scripts = join(directory, 'qemu.d/win11-rx7900/prepare/begin');
  mkdirSync(scripts, { recursive: true });
  mkdirSync(sysfs);
  const dispatcher = join(directory, 'dispatcher');
  const script = join(scripts, 'detach.sh');
  writeFileSync(
    dispatcher,
    `#!/bin/bash
set -e
guest=$1; shift
base=${directory}/qemu.d/$guest/$1/$2
if [ -f "$base" ]; then
  "$base" "$guest" "$@"
elif [ -d "$base" ]; then
  while read -r file; do
    [ -z "$file" ] || "$file" "$guest" "$@"
  done <<< "$(find -L "$base" -maxdepth 1 -type f -executable -print)"
fi
`,
  );
  writeFileSync(
    script,
    `#!/bin/bash
set -e
sys=${sysfs}
echo vfio-pci > $sys/override.0
echo vfio-pci > $sys/override.1
echo 0000:03:00.1 > $sys/unbind.1
echo 0000:03:00.0 > $sys/unbind.0
echo 0000:03:00.0 > $sys/bind.0
echo 0000:03:00.1 > $sys/bind.1
`,
  );
  chmodSync(dispatcher, 0o755);
  chmodSync(script, 0o755);
  return dispatcher;
}
