import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expectGolden } from '../../golden.ts';
import { temporaryDirectory } from '../../hook/compiled.ts';
import { changes, type Stage } from '../../hook/stage.ts';
import { machine, run, shown } from '../run.ts';

/** The folder of a guide for the only card, in words of our own. */
const folder: Readonly<Record<string, string>> = {
  'prepare/begin/start.sh': `#!/bin/bash
set -x
source "/etc/libvirt/hooks/kvm.conf"
systemctl stop display-manager.service
systemctl stop ollama
echo 0 > /sys/class/vtconsole/vtcon0/bind
echo efi-framebuffer.0 > /sys/bus/platform/drivers/efi-framebuffer/unbind
sleep 4
modprobe -r amdgpu
virsh nodedev-detach pci_0000_03_00_0
modprobe vfio-pci
ddcutil setvcp 60 0x0f
`,
  'prepare/begin/tune.sh': `#!/bin/bash
echo 8192 > /proc/sys/vm/nr_hugepages
for file in /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor; do
  echo performance > "$file"
done
echo 3 > /sys/bus/pci/devices/0000:03:00.0/resource2_resize
`,
  'release/end/revert.sh': `#!/bin/bash
modprobe -r vfio-pci
virsh nodedev-reattach pci_0000_03_00_0
echo 1 > /sys/class/vtconsole/vtcon0/bind
systemctl start ollama
systemctl start display-manager.service
echo 0 > /proc/sys/vm/nr_hugepages
`,
  'prepare/begin/readme.txt': 'S3cret: no script\n',
};

function put(root: string, files: Readonly<Record<string, string>>): string {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
    chmodSync(join(root, name), 0o755);
  }
  return root;
}

const importing = (on: Stage, ...args: string[]): ReturnType<typeof run> =>
  run(['import-scripts', 'win11', ...args, ...on.option]);

describe('vfio-hook import-scripts', () => {
  it('says line by line what becomes of a folder, above a configuration that validate accepts', () => {
    const on = machine();
    put(join(on.directory, 'qemu.d/win11'), folder);
    const ended = importing(on);
    assert.deepEqual([ended.status, ended.stderr], [0, '']);
    const text = ended.stdout.replaceAll(on.directory, '/machine');
    assert.doesNotMatch(text, /S3cret/);
    expectGolden('cli/golden/import-scripts.yaml', text);
    const file = join(temporaryDirectory(), 'win11.yaml');
    writeFileSync(file, ended.stdout);
    assert.doesNotMatch(run(['validate', file, ...on.option]).stdout, /problem: /);
    assert.equal(changes(on), 0);
  });

  it('finds the scripts below a directory, be it that of the guest or of all guests', () => {
    const on = machine();
    const all = temporaryDirectory();
    put(join(all, 'win11'), folder);
    const [one, other] = [importing(on, '--from', all), importing(on, '--from', join(all, 'win11'))];
    assert.equal(one.status, 0, one.stderr);
    assert.equal(one.stdout, other.stdout);
    assert.match(one.stdout, /^governor: performance$/m);
  });

  it('reads a hook for all guests that is one script', () => {
    const on = machine();
    const file = join(temporaryDirectory(), 'qemu');
    writeFileSync(
      file,
      '#!/bin/sh\n[ "$1" = win11 ] && [ "$2" = prepare ] && systemctl stop ollama\n[ "$1" = mac ] && systemctl stop plex\n',
    );
    const { stdout } = importing(on, '--from', file);
    assert.match(stdout, /ollama\.service/);
    assert.doesNotMatch(stdout, /plex/);
  });

  it('writes nothing unless it is told to, and leaves what is there alone', () => {
    const on = machine();
    put(join(on.directory, 'qemu.d/win11'), folder);
    importing(on);
    assert.deepEqual(readdirSync(on.directory).sort(), ['machine.json', 'qemu.d']);
    const written = importing(on, '--write');
    assert.equal(written.status, 0, written.stderr);
    assert.match(shown(written, on), /written: \S+domains\/win11\.yaml/);
    assert.match(
      readFileSync(join(on.directory, 'etc/domains/win11.yaml'), 'utf8'),
      /^governor: performance$/m,
    );
    const again = importing(on, '--write');
    assert.deepEqual([again.status, again.stdout], [1, '']);
    assert.match(again.stderr, /there is \S+ already/);
  });

  it('says where scripts are looked for when there are none', () => {
    const on = machine();
    const nowhere = importing(on);
    assert.equal(nowhere.status, 1);
    assert.match(
      nowhere.stderr,
      /cannot read \S+qemu\.d: there is no such file\nvfio-hook: hint: give the directory/,
    );
    const empty = importing(on, '--from', temporaryDirectory());
    assert.match(empty.stderr, /there is no script for guest "win11" in/);
  });

  it('reads no file with source that is not beside the scripts', () => {
    const on = machine();
    const elsewhere = join(temporaryDirectory(), 'secret');
    writeFileSync(elsewhere, 'UNIT=S3cret\n');
    put(join(on.directory, 'qemu.d/win11'), {
      'prepare/begin/a.sh': `#!/bin/sh\n. ${elsewhere}\nsystemctl stop $UNIT\n`,
    });
    assert.doesNotMatch(importing(on).stdout, /S3cret/);
  });
});
