import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { examineConfigFile, lineIn } from '../../src/config/decode.ts';
import {
  inspectConfigs,
  inspectConfigText,
  type InspectedConfig,
  type InspectOptions,
} from '../../src/engine/inspect-config.ts';
import { fakeHost } from '../host/fake-host.ts';

const UUID = '7d0c1e0a-54b2-4c7e-9a55-0d3b8f1c2a01';

describe('inspectConfigs', () => {
  let directory = '';
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'vfio-hook-inspect-'));
    chmodSync(directory, 0o755);
    mkdirSync(join(directory, 'domains'), { mode: 0o755 });
  });
  afterEach(() => {
    rmSync(directory, { recursive: true });
  });
  const put = (path: string, text: string, mode = 0o644): void => {
    writeFileSync(join(directory, path), text);
    chmodSync(join(directory, path), mode);
  };
  const options = (guests: InspectOptions['guests']): InspectOptions => ({
    configDir: directory,
    trustedUid: process.geteuid?.() ?? 0,
    decoder: () => ({ examineConfigFile, lineIn }),
    host: fakeHost({
      files: {
        '/sys/bus/pci/devices/0000:03:00.0/modalias':
          'pci:v00001002d0000744Csv00000000sd00000000bc03sc00i00\n',
      },
    }),
    guests,
  });
  const inspect = (guests?: InspectOptions['guests']): InspectedConfig[] => inspectConfigs(options(guests));
  /** What is said about each file, as lines. */
  const said = (guests?: InspectOptions['guests']): string[] =>
    inspect(guests).flatMap(({ path, remarks }) =>
      remarks.map(
        ({ severity, line, text }) => `${path.slice(directory.length)}:${line ?? ''} ${severity}: ${text}`,
      ),
    );

  it('no directory has no files', () => {
    rmSync(directory, { recursive: true });
    assert.deepEqual(inspect(), []);
    mkdirSync(directory);
  });

  it('has the defaults and every guest’s file, whoever the guest is, with what they say', () => {
    put('config.yaml', 'log: { level: debug }\n');
    put('domains/win11.yaml', '');
    put('domains/other.json', '{}');
    assert.deepEqual(
      inspect().map(({ path, config, remarks }) => [path.slice(directory.length), config, remarks]),
      [
        ['/config.yaml', { log: { level: 'debug' } }, []],
        ['/domains/other.json', {}, []],
        ['/domains/win11.yaml', {}, []],
      ],
    );
  });

  it('a broken file does not hide the others, and has a line for each problem', () => {
    put('config.yaml', 'nonsense: 1\nlog: { level: loud }\n');
    put('domains/a.yaml', 'devices: []\n', 0o666);
    put('domains/b.yaml', 'devices: []\n');
    const [defaults, a, b] = inspect();
    assert.deepEqual(
      defaults?.remarks.map(({ severity, line }) => [severity, line]),
      [
        ['problem', 1],
        ['problem', 2],
      ],
    );
    assert.equal(defaults.config, undefined);
    assert.match(a?.remarks[0]?.text ?? '', /everybody may write to it/);
    assert.deepEqual(b?.config, { devices: [] });
  });

  it('a directory that others may write to is said once, and nothing in it is believed', () => {
    put('config.yaml', '');
    put('domains/a.yaml', '');
    chmodSync(join(directory, 'domains'), 0o777);
    assert.match(
      said().join('\n'),
      /^\/domains: problem: cannot trust configuration \S+domains: everybody may/,
    );
    chmodSync(directory, 0o777);
    assert.match(said().join('\n'), /^: problem: cannot trust configuration [^\n]+$/);
  });

  it('what is never read, and what two files make ambiguous', () => {
    put('config.yaml', '');
    put('config.json', '{}');
    put('domains/win11.yaml~', 'an old one');
    put('domains/win11.yaml', '');
    put(`domains/${UUID}.json`, '{}');
    assert.deepEqual(said([{ name: 'win11', uuid: UUID, broken: false }]), [
      ': problem: cannot choose the defaults of all guests: config.json and config.yaml',
      `/domains/${UUID}.json: problem: guest "win11" has another file, too: win11.yaml`,
      `/domains/win11.yaml: problem: guest "win11" has another file, too: ${UUID}.json`,
      '/domains/win11.yaml~: warning: it is never read: its name ends in none of .yaml, .yml, .json',
    ]);
  });

  it('whose a file is: by name, by UUID, and not told where it cannot be known', () => {
    put('domains/my%20guest.yaml', '');
    put(`domains/${UUID}.yaml`, '');
    put('domains/win10.yaml', '');
    const guests = [
      { name: 'my guest', uuid: UUID.replace('7', '8'), broken: false },
      { name: 'win11', uuid: UUID, broken: false },
    ];
    assert.deepEqual(said(guests), [
      '/domains/win10.yaml: warning: libvirt knows no guest "win10": the file has no effect',
    ]);
    assert.deepEqual(
      inspect(guests).flatMap(({ remarks }) => remarks.flatMap(({ hints }) => hints)),
      [{ kind: 'advice', text: 'did you mean "win11"?' }],
    );
    assert.deepEqual(said(undefined), []);
    const broken = [{ name: 'win10', broken: true }, guests[0]!];
    assert.deepEqual(said(broken), [], 'the UUID may be that of the guest that cannot be read');
  });

  it('rules that ask a device for what it does not have', () => {
    put(
      'config.yaml',
      [
        'devices:',
        '  - {match: "0000:03:00.0", reset: [flr]}',
        '  - {match: vga, power: on}',
        '  - {match: "0000:03:00.0", d3cold: false}',
        '  - {match: "0000:03:00.0", reset: none}',
      ].join('\n'),
    );
    const cannot = 'a guest with it cannot start';
    assert.deepEqual(said(), [
      `/config.yaml:2 warning: how 0000:03:00.0 is reset cannot be chosen: it has no reset_method: ${cannot}`,
      `/config.yaml:3 warning: 0000:03:00.0 has no power/control: ${cannot}`,
      `/config.yaml:4 warning: 0000:03:00.0 has no d3cold_allowed: ${cannot}`,
    ]);
  });

  it('rules that have no effect on this host, with their lines', () => {
    put('config.yaml', 'devices:\n  - match: "0000:03:00.0"\n  - match: "1234:5678"\n');
    assert.deepEqual(said(), [
      '/config.yaml:3 warning: no device of this host matches 1234:5678: the rule has no effect',
    ]);
  });

  it('a text from elsewhere is looked at in the same way, whoever owns it', () => {
    assert.deepEqual(inspectConfigText('devices: [{}]\n', 'try.yaml', options([])).remarks, [
      { severity: 'problem', hints: [], line: 1, text: 'devices[0]: the key "match" is missing' },
    ]);
  });
});
