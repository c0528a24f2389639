import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { guestWith, type Guest } from '../guest.ts';
import { hookCalls } from '../hook-calls.ts';
import { CARD, machineOf } from '../machines.ts';
import { simulatedMachine } from '../simulated-machine.ts';
import { BARE_NODE, bareNode, type OpenScene, type Scene } from '../scene.ts';

const NO_OP = 'a call that needs nothing (started/begin)';
const PLAIN_PREPARE = 'prepare/begin, no host devices';
const PLAIN_RELEASE = 'release/end, no host devices';
const PREPARE = 'prepare/begin of that card, simulated machine';
const RELEASE = 'release/end of it, simulated machine';
const DISPATCHER = 'bash dispatcher, same writes to plain files';
const DISPATCHER_NO_OP = 'bash dispatcher, nothing to do';

/** Calls that need no machine, and the hook on a simulated machine. */
export const simulated: Scene = {
  plainHost: false,
  rows: [
    { what: NO_OP, against: BARE_NODE, measure: 'time', of: NO_OP, by: BARE_NODE, aim: 0.05 },
    { what: NO_OP, against: DISPATCHER_NO_OP, measure: 'time', of: NO_OP, by: DISPATCHER_NO_OP, aim: 1 },
    { what: PLAIN_PREPARE, against: BARE_NODE, measure: 'time', of: PLAIN_PREPARE, by: BARE_NODE, aim: 0.15 },
    { what: PLAIN_RELEASE, against: BARE_NODE, measure: 'time', of: PLAIN_RELEASE, by: BARE_NODE, aim: 0.15 },
    { what: PREPARE, against: BARE_NODE, measure: 'CPU', of: PREPARE, by: BARE_NODE },
    { what: RELEASE, against: BARE_NODE, measure: 'CPU', of: RELEASE, by: BARE_NODE },
    { what: PREPARE, against: DISPATCHER, measure: 'time', of: PREPARE, by: DISPATCHER },
    { what: PREPARE, against: BARE_NODE, measure: 'memory', of: PREPARE, by: BARE_NODE },
    { what: RELEASE, against: BARE_NODE, measure: 'memory', of: RELEASE, by: BARE_NODE },
  ],
  open(hook, directory): Promise<OpenScene> {
    const machine = simulatedMachine(machineOf('amd-rdna3-desktop'), join(directory, 'machine'));
    const guest = guestWith([`${CARD}.0`, `${CARD}.1`]);
    const { prepare, release } = hookCalls(hook, guest, machine);
    const plain = hookCalls(hook, plainGuest());
    const dispatcher = bashDispatcher(directory, guest.name);
    return Promise.resolve({
      forms: [
        bareNode(guest.xml),
        { ...prepare(PREPARE), before: machine.boot },
        release(RELEASE),
        { name: NO_OP, command: [hook, guest.name, 'started', 'begin', '-'], stdin: guest.xml },
        plain.prepare(PLAIN_PREPARE),
        plain.release(PLAIN_RELEASE),
        { name: DISPATCHER, command: [dispatcher, guest.name, 'prepare', 'begin', '-'], stdin: guest.xml },
        {
          name: DISPATCHER_NO_OP,
          command: [dispatcher, guest.name, 'started', 'begin', '-'],
          stdin: guest.xml,
        },
      ],
      close: () => Promise.resolve(),
    });
  },
};

/** The example without its USB device: the launcher leaves it to Node to tell which kind of host device it is. */
function plainGuest(): Guest {
  const example = readFileSync('examples/domains/without-host-devices.xml', 'utf8');
  return { name: 'web-server', xml: example.replace(/<hostdev[^]*<\/hostdev>\s*/, '') };
}

/**
 * A dispatcher of the usual shape (look for an executable below qemu.d/GUEST/OPERATION/SUB-OPERATION and run
 * it), and one script that makes the same writes, on plain files.
 */
function bashDispatcher(directory: string, guest: string): string {
  const sysfs = join(directory, 'sys');
  const scripts = join(directory, 'qemu.d', guest, 'prepare/begin');
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
