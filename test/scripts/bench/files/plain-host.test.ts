import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  startPlainHost,
  whyNoPlainHost,
  type PlainHost,
} from '../../../../scripts/bench/files/plain-host.ts';
import { machineOf } from '../../../../scripts/bench/machines.ts';

const DEVICE = '/sys/bus/pci/devices/0000:03:00.0';
const DRIVERS = '/sys/bus/pci/drivers';

describe('a host of plain files (needs root and /dev/fuse)', function () {
  this.timeout(60_000);
  let directory: string | undefined;
  let host: PlainHost | undefined;

  const there = (script: string): { status: number | null; stdout: string; stderr: string } => {
    const [program = '', ...args] = [...(host?.enter ?? []), 'bash', '--norc', '-c', script];
    return spawnSync(program, args, { encoding: 'utf8', env: { LC_ALL: 'C', PATH: '/usr/bin:/bin' } });
  };
  const driver = (): string => there(`readlink ${DEVICE}/driver`).stdout.trim();

  before(async function () {
    if (whyNoPlainHost() !== undefined) this.skip();
    directory = mkdtempSync(join(tmpdir(), 'plain-host-'));
    host = await startPlainHost({ spec: machineOf('amd-rdna3-desktop') }, join(directory, 'host'));
  });
  after(async () => {
    await host?.stop();
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
  });

  it('shows the machine where the hook looks for it, and this computer nothing of it', () => {
    assert.equal(there(`cat ${DEVICE}/vendor`).stdout, '0x1002\n');
    assert.equal(there('cat /proc/cmdline').stdout.includes('amd_iommu=on'), true);
    assert.equal(there('ls /run').stdout.includes('vfio-hook'), false);
    assert.equal(readFileSync('/proc/self/mountinfo', 'utf8').includes(directory ?? ''), false);
  });

  it('has changed before the write returns, whoever writes', () => {
    const writers = {
      dd: (path: string, value: string) =>
        `printf '%s\\n' '${value}' | dd of=${path} conv=nocreat,notrunc status=none`,
      bash: (path: string, value: string) => `printf '%s\\n' '${value}' > ${path}`,
      node: (path: string, value: string) =>
        `${process.execPath} -e "fs.writeFileSync('${path}', '${value}\\n')"`,
    };
    for (const write of Object.values(writers)) {
      const { status, stdout, stderr } = there(`
        set -e
        ${write(`${DRIVERS}/amdgpu/unbind`, '0000:03:00.0')}
        test ! -e ${DEVICE}/driver
        ${write(`${DEVICE}/driver_override`, 'vfio-pci')}
        cat ${DEVICE}/driver_override
        ${write('/sys/bus/pci/drivers_probe', '0000:03:00.0')}
        basename "$(readlink ${DEVICE}/driver)"
        ls /dev/vfio
        ${write(`${DRIVERS}/vfio-pci/unbind`, '0000:03:00.0')}
        ${write(`${DEVICE}/driver_override`, '')}
        ${write('/sys/bus/pci/drivers_probe', '0000:03:00.0')}
      `);
      assert.deepEqual(
        { status, stdout, stderr },
        { status: 0, stdout: 'vfio-pci\nvfio-pci\n16\nvfio\n', stderr: '' },
      );
      assert.match(driver(), /\/amdgpu$/);
    }
  });

  it('refuses with the errno of the simulated kernel', () => {
    const { status, stderr } = there(`printf '0000:03:00.0\\n' > ${DRIVERS}/vfio-pci/unbind`);
    assert.equal(status, 1);
    assert.match(stderr, /No such device/);
  });
});
