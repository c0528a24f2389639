import assert from 'node:assert/strict';
import { defaultConfig, mergeConfig } from '../../../src/config/config.ts';
import type { ConfigScope } from '../../../src/config/config.ts';
import { decodeConfigFile } from '../../../src/config/decode.ts';
import { VfioHookError } from '../../../src/errors.ts';
import { hintText } from '../../../src/hint.ts';
import { governors } from '../../../src/pci/frequency.ts';

const PATH = '/etc/vfio-hook/config.yaml';

/** What is wrong with a text, a line for each problem. */
function problems(text: string, scope: ConfigScope = 'all'): string[] {
  try {
    decodeConfigFile(text, PATH, scope);
  } catch (error) {
    assert.ok(error instanceof VfioHookError);
    const first = error.message.replace(`cannot use configuration ${PATH}: `, '');
    return [first, ...error.hints.map(hintText)];
  }
  assert.fail('accepted');
}

const COUNT = 'auto or a whole number from 0 to 1073741824';
const SIZE = 'no size of a huge page: a power of two from 64KiB to 16GiB, such as 2MiB or 1GiB';

describe('hugepages', () => {
  const right = [
    ['{size: 2MiB, count: 4096, node: 0}', { sizeKb: 2048, count: 4096, node: 0 }],
    ['{size: 1G, count: auto}', { sizeKb: 1_048_576, count: 'auto' }],
    ['{size: 64 kb, count: 0}', { sizeKb: 64, count: 0 }],
    ['{size: 16GiB, count: 1, node: 1023}', { sizeKb: 16_777_216, count: 1, node: 1023 }],
  ] as const;
  for (const [text, expected] of right) {
    it(`takes ${text}`, () => {
      assert.deepEqual(decodeConfigFile(`hugepages: ${text}`, PATH, 'all'), { hugepages: expected });
      assert.deepEqual(decodeConfigFile(`hugepages: ${text}`, PATH, 'guest'), { hugepages: expected });
    });
  }

  const wrong = [
    ['{size: 2MiB}', 'line 1: hugepages: the key "count" is missing'],
    ['{count: 4}', 'line 1: hugepages: the key "size" is missing'],
    ['{size: 3MiB, count: 4}', `line 1: hugepages.size: ${SIZE}`],
    ['{size: 32KiB, count: 4}', `line 1: hugepages.size: ${SIZE}`],
    ['{size: 32GiB, count: 4}', `line 1: hugepages.size: ${SIZE}`],
    ['{size: 2048, count: 4}', `line 1: hugepages.size: ${SIZE}`],
    ['{size: 2MiB, count: all}', `line 1: hugepages.count: a text in place of ${COUNT}`],
    ['{size: 2MiB, count: -1}', `line 1: hugepages.count: a number in place of ${COUNT}`],
    ['{size: 2MiB, count: 1.5}', `line 1: hugepages.count: a number in place of ${COUNT}`],
    ['{size: 2MiB, count: 9999999999}', `line 1: hugepages.count: a number in place of ${COUNT}`],
    [
      '{size: 2MiB, count: 4, node: 1024}',
      'line 1: hugepages.node: a number in place of a whole number from 0 to 1023',
    ],
    [
      '{size: 2MiB, count: 4, node: [0]}',
      'line 1: hugepages.node: a list in place of a whole number from 0 to 1023',
    ],
    ['{size: 2MiB, counts: 4}', 'line 1: unknown key "counts": did you mean count? (first of 2 problems)'],
    ['8GiB', 'line 1: hugepages: a text in place of a mapping (lines of "key: value")'],
  ] as const;
  for (const [text, expected] of wrong) {
    it(`refuses ${text}`, () => {
      assert.equal(problems(`hugepages: ${text}`)[0], expected);
    });
  }
});

describe('between', () => {
  const rule = (between: string): string => `devices: [{match: "0000:03:00.0", between: ${between}}]`;
  const ONE = 'one of reset, power, bars and script in each entry';
  const NAME =
    'no name of a script: the name of a file alone, in quotes when it looks like a number: it is in qemu.d/GUEST/prepare/between';

  it('takes a list of what is done, in its order', () => {
    const text = rule('[{power: on}, {script: wake-card.sh}, {reset: true}, {bars: {2: 8MiB, 0: 16GiB}}]');
    assert.deepEqual(decodeConfigFile(text, PATH).devices?.[0]?.between, [
      { do: 'power', to: 'on' },
      { do: 'script', name: 'wake-card.sh' },
      { do: 'reset' },
      {
        do: 'bars',
        sizes: [
          { bar: 0, size: 16 * 2 ** 30 },
          { bar: 2, size: 8 * 2 ** 20 },
        ],
      },
    ]);
  });

  const wrong = [
    ['[{}]', `line 1: devices[0].between[0]: ${ONE}`],
    ['[{reset: true, power: on}]', `line 1: devices[0].between[0]: ${ONE}`],
    ['[{reset: false}]', 'line 1: devices[0].between[0].reset: true or false in place of true'],
    ['[{power: off}]', 'line 1: devices[0].between[0].power: a text in place of on or auto'],
    ['[{script: ../../x}]', `line 1: devices[0].between[0].script: ${NAME}`],
    ['[{script: .}]', `line 1: devices[0].between[0].script: ${NAME}`],
    ['[{script: /bin/sh}]', `line 1: devices[0].between[0].script: ${NAME}`],
    ['[{script: -rf}]', `line 1: devices[0].between[0].script: ${NAME}`],
    ['[{bars: {2: 8MiB}}, {bars: {2: 4MiB}}]', 'line 1: devices[0].between: a BAR has two sizes'],
    ['[{write: "1"}]', 'line 1: unknown key "write": known are reset, power, bars, script'],
    ['reset', 'line 1: devices[0].between: a text in place of a list (each entry begins with "-")'],
  ] as const;
  for (const [between, expected] of wrong) {
    it(`refuses ${between}`, () => {
      assert.equal(problems(rule(between))[0], expected);
    });
  }
});

describe('sriov', () => {
  it('takes cards by any form of their address, and leaves new functions to guests', () => {
    const text = 'sriov: [{pf: "02:00.0", vfs: 4}, {pf: pci_0000_31_00_0, vfs: 65535, autoprobe: true}]';
    assert.deepEqual(decodeConfigFile(text, PATH, 'all'), {
      sriov: [
        { pf: '0000:02:00.0', vfs: 4, autoprobe: false },
        { pf: '0000:31:00.0', vfs: 65_535, autoprobe: true },
      ],
    });
    assert.deepEqual(decodeConfigFile('sriov: []', PATH, 'all'), { sriov: [] });
    assert.deepEqual(decodeConfigFile('sriov: [{pf: "61:00.0", vfs: all}]', PATH, 'all'), {
      sriov: [{ pf: '0000:61:00.0', vfs: 'all', autoprobe: false }],
    });
  });

  it('takes what functions are like, with the file that says so', () => {
    const functions =
      '[{vf: 1, mac: "52:54:00:AB:CD:EF", vlan: 42, qos: 3, trust: true, spoofcheck: false, state: enable, maxTxRate: 100}, ' +
      '{vf: 0, profile: {exec_quantum_ms: 20, vram_quota: 2GiB}}]';
    const read = [
      {
        vf: 1,
        mac: '52:54:00:ab:cd:ef',
        vlan: 42,
        qos: 3,
        trust: true,
        spoofcheck: false,
        state: 'enable',
        maxTxRate: 100,
      },
      { vf: 0, profile: { exec_quantum_ms: '20', vram_quota: String(2 ** 31) } },
    ];
    for (const scope of ['all', 'guest'] as const) {
      assert.deepEqual(decodeConfigFile(`sriov: [{pf: "02:00.0", functions: ${functions}}]`, PATH, scope), {
        sriov: [
          { pf: '0000:02:00.0', autoprobe: false, functions: read.map((each) => ({ ...each, scope })) },
        ],
      });
    }
  });

  it('leaves what is the host’s to config.yaml', () => {
    for (const key of ['vfs: 4', 'autoprobe: true', 'unsetMacs: true', 'profile: {exec_quantum_ms: 5}']) {
      const text = `sriov: [{pf: "02:00.0", ${key}}]`;
      assert.ok(decodeConfigFile(text, PATH, 'all'));
      assert.throws(
        () => decodeConfigFile(text, PATH),
        /: line 1: \w+ is not for one guest: .*, so it belongs into config.yaml$/,
      );
    }
  });

  const wrong = [
    ...(
      [
        ['vf: 0, mac: "53:54:00:ab:cd:ef"', 'mac: no MAC address of one interface'],
        ['vf: 0, mac: "00:00:00:00:00:00"', 'mac: no MAC address of one interface'],
        ['vf: 0, qos: 3', 'qos: a priority is a part of a VLAN tag: set vlan as well'],
        ['vf: 0, vlan: 4095', 'vlan: a number in place of a whole number from 0 to 4094'],
        ['vf: 0, profile: {vram_quota: 4}', 'profile.vram_quota: no size'],
      ] as const
    ).map(
      ([text, expected]) =>
        [`[{pf: "02:00.0", functions: [{${text}}]}]`, `line 1: sriov[0].functions[0].${expected}`] as const,
    ),
    [
      '[{pf: "02:00.0", functions: [{vf: 1}, {vf: 1}]}]',
      'line 1: sriov[0].functions[1]: this function is in the list already',
    ],
    ['[{vfs: 4}]', 'line 1: sriov[0]: the key "pf" is missing'],
    ['[{pf: network, vfs: 4}]', 'line 1: sriov[0].pf: no card: an address "0000:02:00.0" in quotes'],
    ['[{pf: "8086:10c9", vfs: 4}]', 'line 1: sriov[0].pf: no card: an address "0000:02:00.0" in quotes'],
    [
      '[{pf: "02:00.0", vfs: 0}]',
      'line 1: sriov[0].vfs: a number in place of all or a whole number from 1 to 65535',
    ],
    [
      '[{pf: "02:00.0", vfs: auto}]',
      'line 1: sriov[0].vfs: a text in place of all or a whole number from 1 to 65535',
    ],
    [
      '[{pf: "02:00.0", vfs: 4, autoprobe: maybe}]',
      'line 1: sriov[0].autoprobe: a text in place of true or false',
    ],
    ['[{pf: "02:00.0", vfs: 4, vf: 3}]', 'line 1: unknown key "vf": did you mean pf?'],
    ['{pf: "02:00.0", vfs: 4}', 'line 1: sriov: a mapping in place of a list (each entry begins with "-")'],
    [
      '[{pf: "02:00.0", vfs: 4}, {pf: "0000:02:00.0", vfs: 2}]',
      'line 1: sriov[1]: this card is in the list already: it has one number of virtual functions',
    ],
  ] as const;
  for (const [text, expected] of wrong) {
    it(`refuses ${text}`, () => {
      const [problem = ''] = problems(`sriov: ${text}`);
      assert.ok(problem.startsWith(expected), problem);
    });
  }
});

describe('vgpu', () => {
  it('takes a function by its address or auto, and a type by its number or name', () => {
    const text = `
vgpu:
  - { vf: "41:00.4", type: 1152, params: "frame_rate_limiter=0,disable_vnc=1" }
  - { vf: auto, pf: "0000:41:00.0", type: NVIDIA L40S-8Q }
  - { vf: auto, type: L40S-1B }
`;
    assert.deepEqual(decodeConfigFile(text, PATH), {
      vgpu: [
        { vf: '0000:41:00.4', type: 1152, params: 'frame_rate_limiter=0,disable_vnc=1' },
        { vf: 'auto', pf: '0000:41:00.0', type: 'NVIDIA L40S-8Q' },
        { vf: 'auto', type: 'L40S-1B' },
      ],
    });
  });

  const wrong = [
    ['[{type: 1}]', 'line 1: vgpu[0]: the key "vf" is missing'],
    ['[{vf: auto}]', 'line 1: vgpu[0]: the key "type" is missing'],
    [
      '[{vf: any, type: 1}]',
      'line 1: vgpu[0].vf: no virtual function: an address "0000:41:00.4" in quotes, or auto',
    ],
    [
      '[{vf: auto, type: 0}]',
      'line 1: vgpu[0].type: a number in place of a name or a whole number from 1 to 4294967295',
    ],
    [
      '[{vf: auto, type: [1]}]',
      'line 1: vgpu[0].type: a list in place of the name of a vGPU type such as "NVIDIA L40S-8Q", or its number',
    ],
    [
      '[{vf: auto, type: 1, params: "a b"}]',
      'line 1: vgpu[0].params: no parameters of a vGPU: name=value, several with a comma in between: "frame_rate_limiter=0,disable_vnc=1"',
    ],
    [
      '[{vf: "41:00.4", pf: "41:00.0", type: 1}]',
      'line 1: vgpu[0].pf: only with vf: auto, an address says which card it is',
    ],
    [
      '[{vf: "41:00.4", type: 1}, {vf: "0000:41:00.4", type: 2}]',
      'line 1: vgpu[1]: this virtual function is in the list already: it is one vGPU',
    ],
  ] as const;
  for (const [text, expected] of wrong) {
    it(`refuses ${text}`, () => {
      assert.equal(problems(`vgpu: ${text}`)[0], expected);
    });
  }
});

describe('mdev', () => {
  const UUID = '83b8f4f2-509f-382f-3c1e-e6bfe0fa1001';
  const ATTRIBUTES = 'files of the device with the text that is written to each, in quotes';

  it('takes devices by UUID, with any form of an address, and attributes in their order', () => {
    const text = `mdev:
  - {uuid: ${UUID.toUpperCase()}, parent: "00:02.0", type: i915-GVTg_V5_4}
  - uuid: ${UUID.replace('1001', '1002')}
    parent: auto
    type: NVIDIA A10-4Q
    attributes: {nvidia/vm_name: a, nvidia/vgpu_params: "x=1,y=2"}
  - uuid: ${UUID.replace('1001', '1003')}
    parent: matrix
    type: vfio_ap-passthrough
    attributes: [{assign_adapter: "5"}, {assign_adapter: "0x06"}]
`;
    for (const scope of ['all', 'guest'] as const)
      assert.deepEqual(decodeConfigFile(text, PATH, scope), {
        mdev: [
          { uuid: UUID, parent: '0000:00:02.0', type: 'i915-GVTg_V5_4', attributes: [] },
          {
            uuid: UUID.replace('1001', '1002'),
            parent: 'auto',
            type: 'NVIDIA A10-4Q',
            attributes: [
              ['nvidia/vm_name', 'a'],
              ['nvidia/vgpu_params', 'x=1,y=2'],
            ],
          },
          {
            uuid: UUID.replace('1001', '1003'),
            parent: 'matrix',
            type: 'vfio_ap-passthrough',
            attributes: [
              ['assign_adapter', '5'],
              ['assign_adapter', '0x06'],
            ],
          },
        ],
      });
  });

  const entry = `uuid: ${UUID}, parent: auto, type: nvidia-593`;
  const wrong = [
    [`[{parent: auto, type: a-1}]`, 'line 1: mdev[0]: the key "uuid" is missing'],
    [`[{uuid: ${UUID}, type: a-1}]`, 'line 1: mdev[0]: the key "parent" is missing'],
    [`[{uuid: ${UUID}, parent: auto}]`, 'line 1: mdev[0]: the key "type" is missing'],
    [
      '[{uuid: 12, parent: auto, type: a-1}]',
      'line 1: mdev[0].uuid: no UUID: "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001", as in the XML of the guest',
    ],
    [
      `[{uuid: ${UUID}, parent: ../.., type: a-1}]`,
      'line 1: mdev[0].parent: no parent: an address "0000:00:02.0" in quotes, another name below /sys/class/mdev_bus, or auto',
    ],
    [
      `[{uuid: ${UUID}, parent: auto, type: a/b}]`,
      'line 1: mdev[0].type: no type: the id of a type, such as i915-GVTg_V5_4 or nvidia-593, or its name, such as "NVIDIA A10-4Q"',
    ],
    [
      `[{${entry}, attributes: {remove: "1"}}]`,
      'line 1: mdev[0].attributes.remove: no file of the parent’s driver: write a path below the device, such as nvidia/vgpu_params',
    ],
    [
      `[{${entry}, attributes: {driver/unbind: "1"}}]`,
      'line 1: mdev[0].attributes[(no word)]: no file of the parent’s driver: write a path below the device, such as nvidia/vgpu_params',
    ],
    [
      `[{${entry}, attributes: {a: 5}}]`,
      'line 1: mdev[0].attributes: no text for a file: one line that is not empty, in quotes when it looks like a number',
    ],
    [`[{${entry}, attributes: x}]`, `line 1: mdev[0].attributes: a text in place of ${ATTRIBUTES}`],
    [`[{${entry}, mode: 1}]`, 'line 1: unknown key "mode": known are uuid, parent, type, attributes'],
    [`[{${entry}}, {${entry}}]`, 'line 1: mdev[1]: this UUID is in the list already'],
  ] as const;
  for (const [text, expected] of wrong) {
    it(`refuses ${text}`, () => {
      assert.equal(problems(`mdev: ${text}`)[0]?.replace(/ \(first of .*/, ''), expected);
    });
  }
});

describe('governor', () => {
  it('takes the governors that need nobody to go on telling them', () => {
    for (const governor of governors) {
      for (const scope of ['all', 'guest'] as const)
        assert.deepEqual(decodeConfigFile(`governor: ${governor}`, PATH, scope), { governor });
    }
  });

  it('is that of the guest where its own file says so, else that of all', () => {
    const all = mergeConfig(defaultConfig, { governor: 'powersave' });
    assert.equal(mergeConfig(all, {}).governor, 'powersave');
    assert.equal(mergeConfig(all, { governor: 'performance' }).governor, 'performance');
    assert.ok(!('governor' in mergeConfig(defaultConfig, {})));
  });

  const offered = 'one of performance, powersave, schedutil, ondemand, conservative';
  const wrong = [
    ['userspace', `line 1: governor: a text in place of ${offered}`],
    ['Performance', `line 1: governor: a text in place of ${offered}`],
    ['true', `line 1: governor: true or false in place of ${offered}`],
    ['[performance]', `line 1: governor: a list in place of ${offered}`],
  ] as const;
  for (const [text, expected] of wrong) {
    it(`refuses ${text}`, () => {
      assert.deepEqual(problems(`governor: ${text}`), [expected]);
    });
  }
});

describe('sleep', () => {
  it('is allowed or blocked', () => {
    for (const sleep of ['allow', 'block'] as const)
      assert.deepEqual(decodeConfigFile(`sleep: ${sleep}`, PATH, 'guest'), { sleep });
    for (const text of ['no', 'false', '[block]', '1'])
      assert.match(problems(`sleep: ${text}`).join(), /^line 1: sleep: .* in place of allow or block$/);
  });

  it('of a guest goes over that of all', () => {
    const all = mergeConfig(defaultConfig, { sleep: 'block' });
    assert.equal(mergeConfig(all, {}).sleep, 'block');
    assert.equal(mergeConfig(all, { sleep: 'allow' }).sleep, 'allow');
    assert.ok(!('sleep' in mergeConfig(defaultConfig, {})));
  });
});

describe('latency', () => {
  it('is a number of microseconds, also none', () => {
    for (const latency of [0, 20, 1_000_000])
      assert.deepEqual(decodeConfigFile(`latency: ${latency}`, PATH, 'guest'), { latency });
  });

  it('is that of the guest where its own file says so, also 0', () => {
    const all = mergeConfig(defaultConfig, { latency: 20 });
    assert.equal(mergeConfig(all, {}).latency, 20);
    assert.equal(mergeConfig(all, { latency: 0 }).latency, 0);
    assert.ok(!('latency' in mergeConfig(defaultConfig, {})));
  });

  for (const text of ['-1', '1.5', '1000001', '10us', 'auto']) {
    it(`refuses ${text}`, () => {
      const [problem = ''] = problems(`latency: ${text}`);
      assert.match(
        problem,
        /^line 1: latency: a (?:number|text) in place of a whole number from 0 to 1000000$/,
      );
    });
  }
});

describe('cpus', () => {
  const known = (text: string): unknown => decodeConfigFile(text, PATH, 'guest').cpus;

  it('is auto, or a list of CPUs in whatever order', () => {
    assert.deepEqual(known('cpus: {isolate: auto}'), { isolate: 'auto', irqs: false });
    assert.deepEqual(known('cpus:\n  isolate: 10-15, 2-7,4'), { isolate: '2-7,10-15', irqs: false });
    assert.deepEqual(known('cpus: {isolate: auto, irqs: true}'), { isolate: 'auto', irqs: true });
    assert.deepEqual(known('cpus: {isolate: "3"}'), { isolate: '3', irqs: false });
  });

  it('is that of the guest where its own file says so, else that of all', () => {
    const all = mergeConfig(defaultConfig, { cpus: { isolate: 'auto', irqs: false } });
    assert.deepEqual(mergeConfig(all, {}).cpus, { isolate: 'auto', irqs: false });
    assert.deepEqual(mergeConfig(all, { cpus: { isolate: '2', irqs: false } }).cpus, {
      isolate: '2',
      irqs: false,
    });
    assert.ok(!('cpus' in mergeConfig(defaultConfig, {})));
  });

  const list =
    'no list of CPUs: auto, or numbers and ranges such as "2-7,10-15", in quotes when it is a number alone';
  const wrong = [
    ['{}', 'line 1: cpus: the key "isolate" is missing'],
    ['auto', 'line 1: cpus: a text in place of a mapping (lines of "key: value")'],
    ['{isolate: 3}', `line 1: cpus.isolate: ${list}`],
    ['{isolate: "7-2"}', `line 1: cpus.isolate: ${list}`],
    ['{isolate: "2-7,^3"}', `line 1: cpus.isolate: ${list}`],
    ['{isolate: "0-99999"}', `line 1: cpus.isolate: ${list}`],
    ['{isolate: auto, irqs: 1}', 'line 1: cpus.irqs: a number in place of true or false'],
    ['{isolate: ""}', `line 1: cpus.isolate: ${list}`],
  ] as const;
  for (const [text, expected] of wrong) {
    it(`refuses ${text}`, () => {
      assert.deepEqual(problems(`cpus: ${text}`), [expected]);
    });
  }
});

describe('services', () => {
  const UNIT =
    'a text in place of the name of a service, socket, timer or path of systemd, none of libvirt’s, systemd’s, dbus’ or ssh’s own, or {unit: NAME, user: NUMBER} for one of a user';

  it('takes names, with and without a suffix, and units of users', () => {
    const text =
      'services: {stop: [ollama, pipewire.socket, {unit: jack, user: 1000}], start: [scream.service]}';
    const services = {
      stop: [{ name: 'ollama.service' }, { name: 'pipewire.socket' }, { name: 'jack.service', user: 1000 }],
      start: [{ name: 'scream.service' }],
    };
    for (const scope of ['all', 'guest'] as const)
      assert.deepEqual(decodeConfigFile(text, PATH, scope), { services });
    assert.deepEqual(decodeConfigFile('services: {}', PATH), { services: { stop: [], start: [] } });
  });

  const wrong = [
    ['{stop: [libvirtd]}', `line 1: services.stop[0]: ${UNIT}`],
    ['{stop: [virtqemud.socket]}', `line 1: services.stop[0]: ${UNIT}`],
    ['{stop: [user@1000.service]}', `line 1: services.stop[0]: ${UNIT}`],
    ['{stop: [systemd-logind]}', `line 1: services.stop[0]: ${UNIT}`],
    ['{stop: ["-x"]}', `line 1: services.stop[0]: ${UNIT}`],
    ['{stop: [a/b]}', `line 1: services.stop[0]: ${UNIT}`],
    ['{stop: ollama}', 'line 1: services.stop: a text in place of a list (each entry begins with "-")'],
    ['{stop: [a, a.service]}', 'line 1: services.stop[1]: this unit is in the list already'],
    ['{stop: [a], start: [a.service]}', 'line 1: services: a unit cannot be stopped and started at once'],
    ['{kill: [a]}', 'line 1: unknown key "kill"'],
  ] as const;
  for (const [text, expected] of wrong) {
    it(`refuses ${text}`, () => {
      const [first = ''] = problems(`services: ${text}`);
      assert.ok(first.startsWith(expected), first);
    });
  }
});

describe('display', () => {
  it('takes a card, or those that are assigned, and units', () => {
    assert.deepEqual(decodeConfigFile('display: {release: auto}', PATH, 'guest'), {
      display: { release: 'auto', stop: [] },
    });
    assert.deepEqual(
      decodeConfigFile('display: {release: "01:00.0", stop: [{unit: sunshine, user: 1000}]}', PATH, 'guest'),
      { display: { release: '0000:01:00.0', stop: [{ name: 'sunshine.service', user: 1000 }] } },
    );
  });

  it('is not for all guests', () => {
    assert.throws(() => decodeConfigFile('display: {release: auto}', PATH, 'all'), {
      message: `cannot use configuration ${PATH}: line 1: display is not for all guests: whoever starts it loses the screen of the host, so it belongs into the file of one, in domains/`,
    });
  });

  const wrong = [
    ['{}', 'display: the key "release" is missing'],
    ['{release: gpu}', 'display.release: no card: auto, or an address "0000:01:00.0" in quotes'],
    ['{release: auto, stop: [libvirtd]}', 'display.stop[0]: '],
    ['{release: auto, kill: [x]}', 'unknown key "kill"'],
  ] as const;
  for (const [text, expected] of wrong) {
    it(`refuses ${text}`, () => {
      const [first = ''] = problems(`display: ${text}`, 'guest');
      assert.ok(first.startsWith(`line 1: ${expected}`), first);
    });
  }
});

describe('how a device is reset and whether it sleeps', () => {
  const METHODS = 'device_specific, acpi, flr, af_flr, pm, bus, cxl_bus';
  const right = [
    ['reset: none', { reset: [] }],
    ['reset: [flr, bus]', { reset: ['flr', 'bus'] }],
    ['reset: [device_specific]', { reset: ['device_specific'] }],
    ['power: on', { power: 'on' }],
    ['power: auto', { power: 'auto' }],
    ['d3cold: false', { d3cold: false }],
    ['d3cold: true', { d3cold: true }],
  ] as const;
  for (const [text, expected] of right) {
    it(`takes ${text}`, () => {
      const { devices } = decodeConfigFile(`devices: [{match: vga, ${text}}]`, PATH, 'guest');
      assert.deepEqual(devices, [{ match: { by: 'class', word: 'vga' }, bars: new Map(), ...expected }]);
    });
  }

  const wrong = [
    ['reset: []', 'reset: an empty list: write none for a device that is not to be reset'],
    ['reset: [flr, flr]', 'reset[1]: a method is there twice'],
    ['reset: [frl]', `reset: a text in place of one of ${METHODS}`],
    ['reset: [1]', `reset: a number in place of one of ${METHODS}`],
    ['reset: flr', `reset: a text in place of none or a list of ${METHODS}`],
    ['reset: {flr: 1}', `reset: a mapping in place of none or a list of ${METHODS}`],
    ['power: true', 'power: true or false in place of on or auto'],
    ['power: off', 'power: a text in place of on or auto'],
    ['d3cold: "false"', 'd3cold: a text in place of true or false'],
  ] as const;
  for (const [text, expected] of wrong) {
    it(`refuses ${text}`, () => {
      assert.deepEqual(problems(`devices: [{match: vga, ${text}}]`), [`line 1: devices[0].${expected}`]);
    });
  }
});

describe('modules', () => {
  it('takes what is known, and nothing else', () => {
    const of = (text: string, scope: 'all' | 'guest') => decodeConfigFile(text, PATH, scope).modules;
    assert.deepEqual(of('modules: {nvidia: unload, unload: true}', 'all'), {
      nvidia: 'unload',
      unload: true,
    });
    assert.deepEqual(of('modules: {nvidia: keep}', 'guest'), { nvidia: 'keep' });
    assert.deepEqual(of('modules: {load: [kvmfr, v4l2-loopback]}', 'guest'), {
      load: ['kvmfr', 'v4l2_loopback'],
    });
    assert.match(problems('modules: {load: ["-r"]}').join(), /no module/);
    assert.match(problems('modules: {load: [a/b]}').join(), /no module/);
    assert.deepEqual(of('modules: {}', 'guest'), {});
    assert.match(problems('modules: {nvidia: never}').join(), /auto, keep or unload/);
    assert.match(problems('modules: {unload: 1}').join(), /true or false/);
    assert.match(problems('modules: {vfio: unload}').join(), /unknown key "vfio"/);
  });

  it('VFIO’s are not for one guest', () => {
    assert.throws(
      () => decodeConfigFile('modules:\n  unload: true\n', PATH, 'guest'),
      /line 2: unload is not for one guest: VFIO’s modules are those of all guests, so it belongs into config\.yaml$/,
    );
  });
});

describe('services.nvidia', () => {
  it('is auto or keep', () => {
    const decoded = decodeConfigFile('services: {nvidia: keep}', PATH, 'guest').services;
    assert.deepEqual(decoded, { stop: [], start: [], nvidia: 'keep' });
    assert.match(problems('services: {nvidia: off}').join(), /auto or keep/);
  });
});
