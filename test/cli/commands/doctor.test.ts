import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Finding } from '../../../src/doctor/finding.ts';
import { machineOf, domainXml, hostdev, PARTS, type Situation } from '../../doctor/machine.ts';
import { wellFormed } from '../../doctor/well-formed.ts';
import { expectGolden } from '../../golden.ts';
import { callHook, installation, repository, type Ended } from '../../hook/compiled.ts';
import { changes, claims, configure, picture, stage, steady, type Stage } from '../../hook/stage.ts';
import { run as runCommand } from '../run.ts';

const windows = '<features><hyperv><relaxed state="on"/></hyperv></features>';
const card = domainXml({
  devices: hostdev('0000:03:00.0') + hostdev('0000:03:00.1'),
  inside: `<os><type machine='pc-q35-9.2'>hvm</type></os>${windows}`,
});
const linux = domainXml({ name: 'linux', devices: hostdev('0000:03:00.0') });

/** A machine on disk, in a situation. */
function machineIn(situation: Situation): Stage {
  const { host = 'amd-rdna3-desktop', machine } = machineOf(situation);
  return stage(host, (spec) => ({ ...spec, ...machine }));
}

function run(on: Stage, args: readonly string[], input = ''): Ended {
  return runCommand([...args, ...on.option], input === '' ? {} : { input });
}

/** What does not depend on the machine and the Node.js that the tests run on. */
function lasting(text: string, on: Stage): string {
  return steady(
    text.replaceAll(repository, 'PROJECT/').replace(/(\/usr\/bin\/node) \([^)]*\)/g, '$1 (VERSION)'),
    on,
  );
}

function shown(ended: Ended, on: Stage): string {
  const { status, stdout, stderr } = ended;
  return lasting(`exit status ${String(status)}\n--- stdout\n${stdout}--- stderr\n${stderr}`, on);
}

/** Runs a command in both forms: the text is golden, and the JSON says the same. */
function inBothForms(on: Stage, args: readonly string[], golden: string, input = ''): readonly Finding[] {
  const before = picture(on);
  const text = run(on, args, input);
  const json = run(on, [...args, '--json'], input);
  expectGolden(`cli/golden/${golden}.txt`, shown(text, on));
  expectGolden(`cli/golden/${golden}.json`, lasting(json.stdout, on));
  assert.equal(json.status, text.status);
  const { findings, verdict, counts } = JSON.parse(json.stdout) as {
    findings: readonly Finding[];
    verdict: string;
    counts: Record<string, number>;
  };
  const lines = text.stdout.split('\n').filter((line) => /^(?:ok|unknown|warning|failure) /.test(line));
  assert.deepEqual(
    lines,
    findings.map(
      (each) =>
        `${each.verdict.padEnd(7)}  ${each.title}${each.subject === undefined ? '' : `, ${each.subject}`}: ${each.found}`,
    ),
  );
  assert.equal(
    Object.values(counts).reduce((a, b) => a + b),
    findings.length,
  );
  const statuses: Readonly<Record<string, number>> = { ok: 0, unknown: 0, warning: 1, failure: 2 };
  assert.equal(text.status, statuses[verdict]);
  for (const finding of findings) wellFormed(finding);
  assert.deepEqual([picture(on), changes(on), claims(on)], [before, 0, {}], 'it has changed something');
  assert.deepEqual(
    readdirSync(on.directory).filter((name) => !['machine.json', 'etc'].includes(name)),
    [],
  );
  return findings;
}

describe('vfio-hook doctor', () => {
  it('a host on which all is well: status 0', () => {
    const on = machineIn({ guests: { win11: card } });
    inBothForms(on, ['doctor'], 'doctor-well');
  });

  it('a host with warnings: status 1', () => {
    const on = machineIn({
      guests: { win11: card, linux },
      machine: { commandLine: 'quiet pcie_acs_override=downstream' },
      files: { '/etc/libvirt/hooks/qemu.d/win11/prepare/begin/start.sh': 'virsh nodedev-detach x\n' },
    });
    configure(on, 'domains/win10.yaml', 'devices: []\n');
    const findings = inBothForms(on, ['doctor'], 'doctor-warnings');
    assert.ok(findings.some(({ verdict }) => verdict === 'warning'));
  });

  it('--quiet: only what is not ok, worst first; the last line counts all', () => {
    const on = machineIn({
      guests: { win11: card, linux },
      machine: { commandLine: 'quiet pcie_acs_override=downstream' },
      files: { [`${PARTS}/domain.cjs`]: null },
    });
    const all = run(on, ['doctor']);
    const lines = (text: string): string[] =>
      text.split('\n').filter((line) => /^(?:ok|unknown|warning|failure) /.test(line));
    const ofVerdict = (verdict: string): string[] =>
      lines(all.stdout).filter((line) => line.startsWith(verdict));
    assert.ok(ofVerdict('failure').length > 0 && ofVerdict('warning').length > 0);
    for (const option of ['-q', '--quiet']) {
      const quiet = run(on, ['doctor', option]);
      assert.deepEqual(lines(quiet.stdout), ['failure', 'warning', 'unknown'].flatMap(ofVerdict));
      assert.deepEqual([quiet.status, quiet.stderr], [all.status, all.stderr]);
      assert.equal(quiet.stdout.split('\n').at(-2), all.stdout.split('\n').at(-2));
      const json = JSON.parse(run(on, ['doctor', option, '--json']).stdout) as {
        findings: readonly Finding[];
      };
      assert.deepEqual(
        json.findings.map(({ verdict }) => verdict),
        lines(quiet.stdout).map((line) => line.split(' ')[0]),
      );
    }
  });

  it('--quiet with nothing to say: that all is well', () => {
    const quiet = run(machineIn({ guests: { win11: card } }), ['doctor', '-q']);
    assert.match(quiet.stdout, /^0 failures, 0 warnings, 0 not seen, \d+ ok: all is well\n$/);
    assert.deepEqual([quiet.status, quiet.stderr], [0, '']);
  });

  it('a host on which nothing works: status 2', () => {
    const on = machineIn({
      machine: { iommu: false, commandLine: 'quiet' },
      guests: { win11: card, broken: '<domain>' },
      files: { '/usr/bin/node': null, [`${PARTS}/domain.cjs`]: null },
      facts: { '/usr/sbin/vfio-hook': { mode: 0o666, uid: 1000 } },
    });
    configure(on, 'config.yaml', 'devices: [{ match: vga, bars: { 9: 8MiB } }]\n');
    chmodSync(join(on.directory, 'etc/config.yaml'), 0o644);
    inBothForms(on, ['doctor'], 'doctor-broken');
  });

  it('with a guest, by name or as XML: its advice too', () => {
    const on = machineIn({ guests: { win11: card } });
    const byName = inBothForms(on, ['doctor', 'win11'], 'doctor-guest');
    const asXml = JSON.parse(run(on, ['doctor', '-', '--json'], card).stdout) as { findings: unknown };
    assert.deepEqual(asXml.findings, byName);
    assert.ok(byName.some(({ id, verdict }) => id === 'xml-code-43-amd' && verdict === 'warning'));
  });

  it('the configuration quiets the advice that it follows', () => {
    const named = card.replace('<hyperv>', '<hyperv><vendor_id state="on" value="0123456789ab"/>');
    assert.notEqual(named, card);
    const on = machineIn({ guests: { win11: named } });
    configure(on, 'domains/win11.yaml', 'devices: [{ match: vga, bars: { 2: 8MiB } }]\n');
    const { findings } = JSON.parse(run(on, ['doctor', 'win11', '--json']).stdout) as {
      findings: readonly Finding[];
    };
    assert.equal(findings.find(({ id }) => id === 'xml-code-43-amd')?.verdict, 'ok');
  });

  it('a configuration that others may write to, with the command that mends it', () => {
    const on = machineIn({ guests: { win11: card } });
    configure(on, 'config.yaml', 'log: { level: debug }\n');
    const file = join(on.directory, 'etc/config.yaml');
    chmodSync(file, 0o666);
    const { stdout, status } = run(on, ['doctor']);
    assert.equal(status, 2);
    assert.match(stdout, new RegExp(`^ +type: chmod go-w ${file}$`, 'm'));
  });

  it('on this very machine it ends, whatever it finds, and changes nothing', () => {
    const ended = callHook(['doctor', '--json'], { program: installation().command });
    const { findings } = JSON.parse(ended.stdout) as { findings: readonly Finding[] };
    assert.ok([0, 1, 2].includes(ended.status ?? -1));
    assert.equal(ended.stderr, '');
    for (const finding of findings) wellFormed(finding);
  });

  if (process.geteuid?.() === 0) {
    it('without root it says what it could not see', () => {
      const on = machineIn({ guests: { win11: card } });
      for (const path of [on.directory, installation().directory, join(installation().directory, 'dist')])
        chmodSync(path, 0o755);
      // The machine's state is shared through a file that each reader locks.
      chmodSync(join(on.directory, 'machine.json'), 0o666);
      const ended = callHook(['doctor', '--json'], { program: installation().command, uid: 65534 });
      assert.equal(ended.stderr, '');
      assert.ok((JSON.parse(ended.stdout) as { findings: readonly Finding[] }).findings.length > 30);
    });
  }

  const mistakes: Readonly<Record<string, readonly string[]>> = {
    'an unknown option': ['doctor', '--nonsense'],
    'two guests': ['doctor', 'a', 'b'],
    'no guest': ['lint'],
    'a file that is not there': ['lint', '/nonexistent/guest.xml'],
    'a file that is no XML': ['doctor', join(repository, 'package.json')],
  };
  for (const [title, args] of Object.entries(mistakes)) {
    it(`${title}: status 2, and nothing on stdout`, () => {
      const ended = callHook(args, { program: installation().command });
      assert.deepEqual([ended.status, ended.stdout], [2, '']);
      assert.match(ended.stderr, /^vfio-hook: error: [^\n]+\n/);
    });
  }

  it('names from outside drive no terminal', () => {
    const directory = mkdtempSync(join(tmpdir(), 'vfio-hook-doctor-'));
    try {
      const file = join(directory, 'x.xml');
      writeFileSync(
        file,
        domainXml({ devices: hostdev('0000:03:00.0', "<rom file='/tmp/&#10;\u202e&#9;x'/>") }),
      );
      const on = machineIn({});
      for (const form of [[], ['--json']]) {
        const { stdout } = run(on, ['lint', file, ...form]);
        // eslint-disable-next-line no-control-regex -- what it must not hold
        assert.doesNotMatch(stdout, /[\0-\x09\x0b-\x1f\x7f-\x9f\u202e]/);
      }
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});

describe('vfio-hook lint', () => {
  it('a guest with its devices on this host: status 1', () => {
    const on = machineIn({ guests: { win11: card } });
    inBothForms(on, ['lint', 'win11'], 'lint-windows');
  });

  it('a guest of another host: says so, and judges the XML alone', () => {
    const on = machineIn({});
    const xml = domainXml({
      devices:
        hostdev('0000:7f:00.0', "<address type='pci' bus='0x05' slot='0x01' function='0x0'/>") +
        hostdev('0000:7f:00.1', "<address type='pci' bus='0x05' slot='0x01' function='0x1'/>"),
      inside: "<memtune><hard_limit unit='GiB'>1</hard_limit></memtune>",
    });
    inBothForms(on, ['lint', '-'], 'lint-elsewhere', xml);
  });

  it('two cards behind one switch', () => {
    const on = machineIn({ host: 'server-8-gpu' });
    inBothForms(
      on,
      ['lint', join(repository, 'examples/domains/server-two-of-eight-gpus.xml')],
      'lint-server',
    );
  });
});
