import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MachineSpec } from '../../../simulator/spec.ts';
import { expectGolden } from '../../golden.ts';
import type { Ended } from '../../hook/compiled.ts';
import {
  changes,
  claims,
  configure,
  exampleGuest,
  guestWith,
  picture,
  stage,
  steady,
  succeeds,
  type Guest,
  type Stage,
} from '../../hook/stage.ts';
import { isWellFormed } from '../map/well-formed.ts';
import { withNames } from '../pci-ids.ts';
import { run as runCommand } from '../run.ts';

const card = exampleGuest('windows-11-rx7900xtx');

function machine(host: string, facts: Partial<MachineSpec> = {}): Stage {
  return stage(host, (spec) => ({ ...withNames(spec), ...facts }));
}

function run(on: Stage, ...args: string[]): Ended {
  return runCommand([...args, ...on.option]);
}

/** What a run prints when all is well. */
function printed(on: Stage, ...args: string[]): string {
  const ended = run(on, ...args);
  assert.deepEqual([ended.status, ended.stderr], [0, ''], args.join(' '));
  isPlain(ended);
  return ended.stdout;
}

function isPlain({ stdout, stderr }: Ended): void {
  // eslint-disable-next-line no-control-regex -- what it must not hold
  assert.doesNotMatch(stdout + stderr, /[\0-\x09\x0b-\x1f\x7f-\x9f]/);
}

function start(on: Stage, guest: Guest, devices: readonly string[]): void {
  succeeds(on, guest, 'prepare');
  on.machine.perform({ do: 'open-group', devices, guest: guest.name, pid: 4242 });
}

interface Listed {
  readonly number: number;
  readonly verdict: { readonly kind: string; readonly reasons: readonly unknown[] };
  readonly devices: readonly { readonly address: string }[];
}

describe('vfio-hook groups', () => {
  const hosts: Readonly<Record<string, () => Stage>> = {
    'nvidia-desktop': () => machine('nvidia-desktop'),
    'laptop-hybrid': () => machine('laptop-hybrid'),
    'server-8-gpu': () => machine('server-8-gpu'),
    'bridge-group': () => machine('bridge-group'),
    'sriov-nic': () => machine('sriov-nic'),
    'nvme-host': () => machine('nvme-host'),
    'guest-running': () => {
      const on = machine('amd-rdna3-desktop');
      start(on, card, ['0000:03:00.0']);
      return on;
    },
    'open-without-a-claim': () => {
      const on = machine('amd-rdna3-desktop');
      const guest = guestWith(['0000:03:00.0']);
      start(on, guest, ['0000:03:00.0']);
      writeFileSync(join(on.directory, 'run/claims', `${guest.uuid}.json`), '');
      return on;
    },
  };
  for (const [name, open] of Object.entries(hosts)) {
    it(`${name}: as text and as JSON, and changes nothing`, () => {
      const on = open();
      const [before, count] = [picture(on), changes(on)];
      const text = run(on, 'groups');
      const json = run(on, 'groups', '--json');
      for (const ended of [text, json]) {
        assert.equal(ended.status, 0);
        assert.equal(ended.stderr === '', name !== 'open-without-a-claim');
        isPlain(ended);
      }
      expectGolden(`cli/golden/groups-${name}.txt`, steady(text.stdout, on));
      expectGolden(
        `cli/golden/groups-${name}.json`,
        steady(json.stdout, on).replace(/"pid": \d+/g, '"pid": "…"'),
      );
      const listed = JSON.parse(json.stdout) as readonly Listed[];
      assert.deepEqual(
        listed.flatMap(({ devices }) => devices.map(({ address }) => address)).sort(),
        Object.keys(on.machine.state().devices).sort(),
      );
      assert.deepEqual([picture(on), changes(on)], [before, count]);
    });
  }

  it('--lines prints what the scripts around lspci -nns print', () => {
    const on = machine('nvidia-desktop');
    const lines = printed(on, 'groups', '--lines');
    expectGolden('cli/golden/groups-lines.txt', lines);
    assert.match(
      lines,
      /^IOMMU Group 1 01:00\.0 VGA compatible controller \[0300\]: NVIDIA Corporation TU102 \[GeForce RTX 2080 Ti Rev\. A\] \[10de:1e07\] \(rev a1\)$/m,
    );
    assert.equal(lines.trimEnd().split('\n').length, Object.keys(on.machine.state().devices).length);
  });

  it('--all shows the groups that are counted only otherwise', () => {
    const on = machine('nvidia-desktop');
    const all = printed(on, 'groups', '--all');
    expectGolden('cli/golden/groups-all.txt', all);
    assert.deepEqual(
      [...all.matchAll(/^IOMMU group (\d+):/gm)].map(([, number]) => Number(number)),
      [0, 1, 2, 4, 6, 8, 9],
    );
  });

  it('an address, in each form, and a number name the same group; two name both', () => {
    const on = machine('nvidia-desktop');
    const one = printed(on, 'groups', '1');
    assert.match(one, /^IOMMU group 1: [^]*0000:01:00\.3/);
    assert.doesNotMatch(one, /IOMMU group [^1]/);
    for (const operand of ['01:00.0', '0000:01:00.3', 'pci_0000_01_00_1', '00:01.0'])
      assert.equal(printed(on, 'groups', operand), one);
    assert.equal(printed(on, 'groups', '6', '01:00.0', '1'), `${one}\n${printed(on, 'groups', '6')}`);
  });

  it('says what an operand should have been', () => {
    const on = machine('nvidia-desktop');
    for (const [golden, operand, status] of [
      ['no-such-group', '99', 1],
      ['no-such-device', '7f:00.0', 1],
      ['no-group-at-all', 'gpu\u001b[2J', 2],
    ] as const) {
      const ended = run(on, 'groups', operand);
      assert.deepEqual([ended.status, ended.stdout], [status, '']);
      isPlain(ended);
      expectGolden(`cli/golden/groups-${golden}.txt`, ended.stderr);
    }
  });

  it('without an IOMMU: an error that says how to turn it on', () => {
    const on = machine('amd-rdna3-desktop', { iommu: false });
    for (const options of [[], ['--json'], ['--lines'], ['--all']]) {
      const ended = run(on, 'groups', ...options);
      assert.deepEqual([ended.status, ended.stdout], [1, '']);
      expectGolden('cli/golden/groups-no-iommu.txt', ended.stderr);
    }
  });

  it('a claim or a configuration that cannot be read: the groups are shown, and it is said', () => {
    const on = machine('amd-rdna3-desktop');
    mkdirSync(join(on.directory, 'run/claims'), { recursive: true, mode: 0o700 });
    writeFileSync(join(on.directory, `run/claims/${card.uuid}.json`), 'torn', { mode: 0o600 });
    configure(on, 'config.yaml', 'nonsense: 1\n');
    const ended = run(on, 'groups');
    assert.equal(ended.status, 0);
    assert.match(ended.stdout, /^IOMMU group 16: can be given to a guest$/m);
    const notes = ended.stderr.trimEnd().split('\n');
    assert.equal(notes.length, 2);
    assert.match(
      notes[0]!,
      /^vfio-hook: note: claim .*\.json cannot be trusted, so no guest would be given a device: /,
    );
    assert.match(notes[1]!, /^vfio-hook: note: .*config\.yaml: line 1.*the groups are judged without it$/);
  });

  it('what the configuration of all guests asks for counts, that of one guest does not', () => {
    const on = machine('amd-rdna3-desktop');
    const rule = 'devices: [{ match: "03:00.0", bars: { 0: 1MiB } }]\n';
    configure(on, 'domains/win11.yaml', rule);
    assert.match(printed(on, 'groups', '16'), /^IOMMU group 16: can be given/);
    configure(on, 'config.yaml', rule);
    assert.match(
      printed(on, 'groups', '16'),
      /^IOMMU group 16: cannot be given[^]*BAR 0 of 0000:03:00\.0 cannot be 1 MiB/,
    );
  });

  it('the name of a guest drives no terminal', () => {
    const on = machine('amd-rdna3-desktop');
    start(on, guestWith(['0000:03:00.0'], { name: 'a"\u009b31m\u202e<b>', uuid: card.uuid }), [
      '0000:03:00.0',
    ]);
    assert.equal(Object.keys(claims(on)).length, 1);
    assert.match(
      printed(on, 'groups', '16'),
      /^IOMMU group 16: guest "a\\"\\u\{9b\}31m\\u\{202e\}<b>" has it since /,
    );
    const json = printed(on, 'groups', '16', '--json');
    assert.match(json, /"name": "a\\"\\u009b31m\\u202e<b>"/);
    const page = printed(on, 'map');
    assert.match(page, /a&quot;\\u\{9b\}31m\\u\{202e\}&lt;b&gt;/);
    assert.doesNotMatch(page, /<b>/);
  });
});

describe('vfio-hook map', () => {
  for (const [name, open] of Object.entries({
    'laptop-hybrid': () => machine('laptop-hybrid'),
    'server-8-gpu': () => machine('server-8-gpu'),
    'guest-running': () => {
      const on = machine('amd-rdna3-desktop');
      start(on, card, ['0000:03:00.0']);
      return on;
    },
    'no-iommu': () => machine('nvidia-desktop', { iommu: false }),
  })) {
    it(`${name}: a page and a drawing, and changes nothing`, () => {
      const on = open();
      const [before, count] = [picture(on), changes(on)];
      const page = printed(on, 'map');
      const svg = printed(on, 'map', '--format', 'svg');
      // One of the two is enough: the drawing is the same.
      if (name === 'server-8-gpu') expectGolden(`cli/golden/map-${name}.svg`, steady(svg, on));
      else expectGolden(`cli/golden/map-${name}.html`, steady(page, on));
      isWellFormed(svg);
      isWellFormed(/<svg[^]*<\/svg>/.exec(page)?.[0] ?? '');
      const all = printed(on, 'map', '--format=svg', '--all');
      for (const address of Object.keys(on.machine.state().devices))
        assert.ok(all.includes(`>${address}<`), address);
      assert.deepEqual([picture(on), changes(on)], [before, count]);
    });
  }

  it('the picture in the documents is what is drawn', () => {
    const on = machine('laptop-hybrid');
    const guest = guestWith(['0000:01:00.0'], { name: 'win11', uuid: card.uuid });
    start(on, guest, ['0000:01:00.0']);
    const svg = printed(on, 'map', '--format', 'svg');
    expectGolden(
      '../docs/images/topology.svg',
      steady(svg, on).replaceAll('TIME', '2026-11-20T20:00:00.000Z'),
    );
  });

  it('says which formats there are', () => {
    const ended = run(machine('lab-q35'), 'map', '--format', 'png');
    assert.deepEqual([ended.status, ended.stdout], [2, '']);
    expectGolden('cli/golden/map-no-such-format.txt', ended.stderr);
  });
});
