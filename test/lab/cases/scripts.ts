import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import type { CaseContext, LabCase } from '../guest/case.ts';
import { Domain } from '../guest/domain.ts';
import { expectDriver } from '../guest/expect.ts';
import { vfioHook } from '../guest/product.ts';
import { devices } from '../guest/topology.ts';

const tree = '/etc/libvirt/hooks/qemu.d';
/** Where the scripts of these cases say that they ran. */
const trace = '/run/lab/scripts.trace';

/** Writes scripts of a guest for the time of a case, by their paths below the guest's directory. */
function writeScripts(context: CaseContext, guest: string, scripts: Readonly<Record<string, string>>): void {
  const directory = path.join(tree, guest);
  for (const [name, text] of Object.entries(scripts)) {
    const file = path.join(directory, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, `#!/bin/sh\n${text}\n`);
    chmodSync(file, 0o755);
  }
  context.afterwards(() => {
    rmSync(directory, { recursive: true, force: true });
    rmSync(trace, { force: true });
  });
}

/** Says which call it was, what driver the card had then, and how the XML on stdin begins. */
const traces = `printf '%s %s %s\\n' "$*" "$(basename "$(readlink /sys/bus/pci/devices/${devices.nic}/driver)")" "$(head -c 7)" >>${trace}`;

export const scriptCases: readonly LabCase[] = [
  {
    name: 'scripts of a guest run at each operation that libvirt calls, before the card goes and after it is back',
    limit: 200,
    async run(context) {
      const operations = ['prepare/begin', 'start/begin', 'started/begin', 'stopped/end', 'release/end'];
      writeScripts(
        context,
        'scripted',
        Object.fromEntries(operations.map((operation) => [`${operation}/10-trace`, traces])),
      );
      const domain = await Domain.define(context, 'scripted', [{ address: devices.nic }]);
      await domain.start();
      await domain.shutdown();
      assert.deepEqual(readFileSync(trace, 'utf8').trim().split('\n'), [
        'scripted prepare begin - e1000e <domain',
        'scripted start begin - vfio-pci <domain',
        'scripted started begin - vfio-pci <domain',
        'scripted stopped end - vfio-pci <domain',
        'scripted release end shutdown e1000e <domain',
      ]);
    },
  },
  {
    name: 'a script of prepare that fails ends virsh start with its name and its last words, and nothing was taken',
    limit: 120,
    async run(context) {
      writeScripts(context, 'scripted', {
        'prepare/begin/10-fails': "echo 'first words'\necho 'the lamp is broken' >&2\nexit 3",
        'prepare/begin/20-never': traces,
        'release/end/90-undoes': traces,
      });
      const domain = await Domain.define(context, 'scripted', [{ address: devices.nic }]);
      const { status, stderr } = await domain.tryStart();
      assert.notEqual(status, 0);
      assert.match(stderr, /the script prepare\/begin\/10-fails failed with status 3: the lamp is broken/);
      assert.match((await vfioHook('log', domain.name)).stdout, /first words/);
      assert.equal(readFileSync(trace, 'utf8'), 'scripted release end failed e1000e <domain\n');
      expectDriver('e1000e', devices.nic);
    },
  },
];
