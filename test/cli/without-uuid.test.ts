import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from '../hook/compiled.ts';
import { call, configure, exampleGuest, type Stage } from '../hook/stage.ts';
import { host, machine, run } from './run.ts';

const win11 = exampleGuest('windows-11-rx7900xtx');
/** What people write for `virsh define`, which makes the UUID. */
const xml = win11.xml.replace(/<uuid>.*<\/uuid>/, '');

describe('XML without a UUID', () => {
  const output = (on: Stage, args: readonly string[], input: string): string =>
    run([...args, ...on.option], { input }).stdout;

  it('plan, hostdevs, lint and init say what they say of the same guest with one', () => {
    const on = machine();
    for (const args of [
      ['plan', '-'],
      ['hostdevs', '-', '--json'],
      ['lint', '-'],
      ['init', '-', '-o', '-'],
    ]) {
      const said = output(on, args, xml);
      assert.notEqual(said, '');
      assert.equal(said, output(on, args, win11.xml), args.join(' '));
    }
    const { guest } = JSON.parse(output(on, ['plan', '-', '--json'], xml)) as { guest: unknown };
    assert.deepEqual(guest, { name: win11.name });
  });

  it('is configured by the file of its name', () => {
    const on = machine();
    configure(on, `domains/${win11.name}.yaml`, 'devices: [{ match: "0000:03:00.0", bars: { 2: 8MiB } }]\n');
    assert.match(output(on, ['plan', '-'], xml), /resize BAR 2 of 0000:03:00\.0/);
  });

  it('doctor counts it once, as the guest of its name that libvirt knows', () => {
    const on = machine({ [`/etc/libvirt/qemu/${win11.name}.xml`]: win11.xml });
    const said = output(on, ['doctor', '-'], xml);
    assert.doesNotMatch(said, /both want/);
    assert.equal(said, output(on, ['doctor', '-'], win11.xml));
  });

  it('simulate plays its life with a UUID, as libvirt would give it one', () => {
    const file = join(temporaryDirectory(), 'guest.xml');
    writeFileSync(file, xml);
    const ended = run(['simulate', '--host', host('amd-rdna3-desktop'), '--domain', file]);
    assert.deepEqual([ended.status, ended.stderr], [0, '']);
    assert.match(ended.stdout, /Nothing differs from before, on the whole machine\./);
  });

  it('is refused by the hook, which libvirt always gives one', () => {
    const ended = call(machine(), { ...win11, xml }, 'prepare');
    assert.equal(ended.status, 1);
    assert.match(ended.stderr, /<domain> has no <uuid>, expected exactly one/);
  });
});
