import assert from 'node:assert/strict';
import type { CpusSpec } from '../../simulator/spec.ts';
import type { GuestCpus } from '../../src/config/config.ts';
import type { DefinedDomain } from '../../src/domain/domain.ts';
import { dieAtEachCall, failureOf, guest, scenarios, type Scenario } from '../scenario.ts';

const GPU = '0000:03:00.0';
const AUDIO = '0000:03:00.1';
const SLICES = ['system.slice', 'user.slice', 'init.scope'] as const;

describe('CPUs that a guest has to itself', () => {
  const open = scenarios();

  function machine(cpus: Partial<GuestCpus> = {}, spec: Partial<CpusSpec> = {}): Scenario {
    const on = open({
      machine: {
        cpus: { count: 8, offline: [], hierarchy: 'v2', irqs: [], ...spec },
        units: [{ name: 'irqbalance.service', active: 'inactive' }],
      },
      config: { cpus: { isolate: 'auto', irqs: false, ...cpus } },
    });
    on.hasOwnConfig = true;
    return on;
  }

  const pinned = (name: string, ...cpus: readonly number[]): DefinedDomain => ({ ...guest(name), cpus });
  const state = (on: Scenario): readonly (string | undefined)[] =>
    SLICES.map((slice) => on.fact(`CPUs of ${slice}`));
  /** All of them alike. */
  const confined = (cpus: string): readonly string[] => SLICES.map(() => `${cpus} effective ${cpus}`);
  const free = SLICES.map(() => ' effective 0-7');
  const done = (on: Scenario): readonly string[] => on.writes().filter((write) => !write.includes(' show '));
  const byHand = async (on: Scenario, slice: string, cpus: string): Promise<void> => {
    await on.machine
      .host()
      .run('systemctl', ['set-property', '--runtime', '--', slice, `AllowedCPUs=${cpus}`], 1000);
    on.writes();
  };

  it('are no one else’s while it runs, and everybody’s again afterwards', async () => {
    const on = machine();
    await on.prepare({ ...guest('a', GPU, AUDIO), cpus: [2, 3, 6, 7] });
    assert.deepEqual(state(on), confined('0-1,4-5'));
    assert.deepEqual(
      done(on).filter((write) => write.startsWith('systemctl')),
      SLICES.map((slice) => `systemctl set-property --runtime -- ${slice} AllowedCPUs=0-1,4-5`),
    );
    await on.release('a');
    assert.deepEqual(state(on), free);
    on.nothingDiffers();
  });

  it('get back from a slice by way of the full list, since the empty one does not reach the kernel', async () => {
    const on = machine();
    await on.prepare(pinned('a', 7));
    on.writes();
    await on.release('a');
    assert.deepEqual(
      done(on),
      ['init.scope', 'user.slice', 'system.slice'].flatMap((slice) =>
        ['0-7', ''].map((cpus) => `systemctl set-property --runtime -- ${slice} AllowedCPUs=${cpus}`),
      ),
    );
    on.nothingDiffers();
  });

  it('are those that the configuration names, whatever the XML says', async () => {
    const on = machine({ isolate: '1-3' });
    await on.prepare(guest('a'));
    assert.deepEqual(state(on), confined('0,4-7'));
    await on.release('a');
    on.nothingDiffers();
  });

  it('are not known where the XML is to say them and pins the guest nowhere', async () => {
    const on = machine();
    const { code, message } = await failureOf(on.prepare(guest('a')));
    assert.equal(code, 'VH_CONFIG');
    assert.equal(message, 'the configuration isolates the CPUs of guest "a", and its XML pins it to none');
    on.nothingDiffers();
  });

  it('are those of all guests together, and each goes with its own', async () => {
    const on = machine();
    await on.prepare(pinned('a', 2, 3));
    await on.prepare(pinned('b', 3, 4));
    assert.deepEqual(state(on), confined('0-1,5-7'));
    await on.release('a');
    assert.deepEqual(state(on), confined('0-2,5-7'));
    await on.prepare(pinned('a', 0));
    assert.deepEqual(state(on), confined('1-2,5-7'));
    await on.release('b');
    await on.release('a');
    on.nothingDiffers();
  });

  it('leave what an administrator has confined before as it was, exactly', async () => {
    const on = machine();
    await byHand(on, 'user.slice', '0-3');
    const before = on.observation();
    await on.prepare(pinned('a', 2, 7));
    assert.deepEqual(state(on), [
      '0-1,3-6 effective 0-1,3-6',
      '0-1,3 effective 0-1,3',
      '0-1,3-6 effective 0-1,3-6',
    ]);
    await on.release('a');
    on.nothingDiffers(before);
  });

  it('are never the last ones that the host has', async () => {
    const on = machine();
    const { code, message } = await failureOf(on.prepare(pinned('a', 0, 1, 2, 3, 4, 5, 6, 7)));
    assert.equal(code, 'VH_REFUSED');
    assert.match(
      message,
      /^guest "a" cannot have CPUs of system\.slice: the host would have no CPU left that is online: the guest isolates all of them/,
    );
    assert.deepEqual(done(on), []);
    on.nothingDiffers();
  });

  it('are never the last ones that are online, nor those that are left beside another guest', async () => {
    const on = machine({}, { offline: [0] });
    await on.prepare(pinned('a', 1, 2, 3));
    const { message } = await failureOf(on.prepare(pinned('b', 4, 5, 6, 7)));
    assert.match(message, /the guest isolates all of them, beside those of guest "a"/);
    await on.release('a');
    on.nothingDiffers();
  });

  it('are never all that a slice was confined to', async () => {
    const on = machine();
    await byHand(on, 'system.slice', '2-3');
    const { message } = await failureOf(on.prepare(pinned('a', 2, 3)));
    assert.match(message, /no CPU left that is online, which had CPUs 2-3 before/);
  });

  it('cannot be had without the one hierarchy of control groups', async () => {
    const on = machine({}, { hierarchy: 'v1' });
    const { code, message } = await failureOf(on.prepare(pinned('a', 2)));
    assert.equal(code, 'VH_REFUSED');
    assert.match(message, /only with the unified hierarchy of control groups \(cgroup v2\)/);
    assert.deepEqual(done(on), []);
    on.nothingDiffers();
  });

  it('cannot be had without systemd', async () => {
    const on = open({ machine: { cpus: { count: 8, offline: [], hierarchy: 'v2', irqs: [] }, units: [] } });
    on.hasOwnConfig = true;
    on.config = { ...on.config, cpus: { isolate: '2', irqs: false } };
    const { code } = await failureOf(on.prepare(guest('a')));
    assert.equal(code, 'VH_INSTALLATION');
    on.nothingDiffers();
  });

  it('cannot be had by an old systemd, which is told apart from one that does not answer', async () => {
    const on = machine();
    on.wrapHost = (host) => ({
      ...host,
      run: (program, args, deadlineMs) =>
        args.includes('--property=AllowedCPUs')
          ? Promise.resolve({ kind: 'exited', status: 0, stdout: '\n', stderr: '' })
          : host.run(program, args, deadlineMs),
    });
    const { code, message } = await failureOf(on.prepare(pinned('a', 2)));
    assert.deepEqual([code, message.includes('before version 244')], ['VH_INSTALLATION', true]);
  });

  it('that systemd does not confine leave everything as it was', async () => {
    const on = machine();
    on.machine.perform({
      do: 'fault',
      rule: {
        on: 'run',
        path: 'systemctl',
        value: 'set-property * user.slice *',
        effect: { kind: 'fail', errno: 'EIO' },
      },
    });
    const { message } = await failureOf(on.prepare(pinned('a', 2)));
    assert.match(message, /^cannot let user\.slice run on CPUs 0-1,3-7 only: .*everything is as it was$/);
    on.nothingDiffers();
  });

  it('that systemd only says it has confined are found', async () => {
    const on = machine();
    on.machine.perform({
      do: 'fault',
      rule: { on: 'run', path: 'systemctl', value: 'set-property *', effect: { kind: 'lie' } },
    });
    const { message } = await failureOf(on.prepare(pinned('a', 2)));
    assert.match(message, /its AllowedCPUs= is "" afterwards/);
    on.nothingDiffers();
  });

  it('that the kernel does not confine are found', async () => {
    const on = machine();
    on.wrapHost = (host) => ({
      ...host,
      run: async (program, args, deadlineMs) => {
        const result = await host.run(program, args, deadlineMs);
        if (result.kind !== 'exited') return result;
        return { ...result, stdout: result.stdout.replaceAll(/EffectiveCPUs=.+/g, 'EffectiveCPUs=0-7') };
      },
    });
    const { message } = await failureOf(on.prepare(pinned('a', 2)));
    assert.match(message, /the kernel lets it run on CPUs 0-7/);
  });

  it('that somebody else has confined otherwise meanwhile stay so, and keep the next guest from its start', async () => {
    const on = machine();
    await on.prepare(pinned('a', 2));
    await byHand(on, 'system.slice', '0');
    const { message } = await failureOf(on.prepare(pinned('b', 3)));
    assert.match(message, /somebody else has made it CPU 0 in place of CPUs 0-1,3-7/);
    await on.release('a');
    assert.deepEqual(state(on), ['0 effective 0', ' effective 0-7', ' effective 0-7']);
    assert.ok(on.log.some((entry) => entry.message.includes('somebody else has made it CPU 0')));
    assert.deepEqual(on.claims(), []);
  });

  it('are as before after a death at any call', async () => {
    assert.equal(await dieAtEachCall(() => machine(), pinned('a', 2, 3)), 9);
  });
});
