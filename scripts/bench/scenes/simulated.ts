import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readDescription } from '../../../simulator/description.ts';
import { MACHINE_FILE } from '../../../simulator/entry.ts';
import { createMachineFile } from '../../../simulator/machine.ts';
import { BARE_NODE, bareNode, type Scene } from '../form.ts';
import type { Row } from '../table.ts';

const PREPARE = 'prepare/begin, simulated machine';
const RELEASE = 'release/end, simulated machine';
const NO_OP = 'no-op (started/begin)';
const PLAIN_PREPARE = 'prepare/begin, no host devices';
const PLAIN_RELEASE = 'release/end, no host devices';
const DISPATCHER = 'bash dispatcher, same writes to plain files';
const DISPATCHER_NO_OP = 'bash dispatcher, no-op';

/**
 * The hook on a simulated machine, whose kernel is within its own process, and calls that need no machine. A
 * preparation is followed by its release, on a machine that has just booted: one that keeps its journal of all rounds
 * would be slower each time. All state lies below `directory`.
 */
export function simulatedScene(hook: string, directory: string): Scene {
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
  const dispatcher = bashDispatcher(directory);
  const guest = 'win11-rx7900';
  const simulated = ['--simulated-machine', machine];
  return {
    forms: [
      bareNode(BARE_NODE, xml),
      {
        before: boot,
        name: PREPARE,
        command: [hook, guest, 'prepare', 'begin', '-', ...simulated],
        stdin: xml,
      },
      { name: RELEASE, command: [hook, guest, 'release', 'end', 'shutdown', ...simulated], stdin: xml },
      { name: NO_OP, command: [hook, guest, 'started', 'begin', '-'], stdin: xml },
      { name: PLAIN_PREPARE, command: [hook, 'web-server', 'prepare', 'begin', '-'], stdin: plainXml },
      { name: PLAIN_RELEASE, command: [hook, 'web-server', 'release', 'end', 'shutdown'], stdin: plainXml },
      { name: DISPATCHER, command: [dispatcher, guest, 'prepare', 'begin', '-'], stdin: xml },
      { name: DISPATCHER_NO_OP, command: [dispatcher, guest, 'started', 'begin', '-'], stdin: xml },
    ],
    rows: (
      [
        { of: NO_OP, by: BARE_NODE, measure: 'time', aim: 0.05 },
        { of: NO_OP, by: DISPATCHER_NO_OP, measure: 'time', aim: 1 },
        { of: PLAIN_PREPARE, by: BARE_NODE, measure: 'time', aim: 0.15 },
        { of: PLAIN_RELEASE, by: BARE_NODE, measure: 'time', aim: 0.15 },
        { of: PREPARE, by: BARE_NODE, measure: 'CPU' },
        { of: RELEASE, by: BARE_NODE, measure: 'CPU' },
        { of: PREPARE, by: DISPATCHER, measure: 'time' },
        { of: PREPARE, by: BARE_NODE, measure: 'memory' },
        { of: RELEASE, by: BARE_NODE, measure: 'memory' },
      ] as const
    ).map((row): Row => ({ ...row, what: row.of, against: row.by })),
  };
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
