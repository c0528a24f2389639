import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { advice } from '../../src/hint.ts';
import { decodeConfigFile, placeRules } from '../../src/config/part.ts';
import { parseDomain } from '../../src/domain/parse.ts';
import { VfioHookError } from '../../src/errors.ts';
import { locations, openEngine } from '../../src/hook/engine.ts';
import { runHook, type HookRun } from '../../src/hook/run.ts';
import { runScript, tryScript } from '../../src/hook/scripts.ts';
import { noLog } from '../../src/log/log.ts';
import { claims, configure, drivers, exampleGuest, picture, stage, type Stage } from './stage.ts';

const win11 = exampleGuest('windows-11-rx7900xtx');
const GPU = ['0000:03:00.0', '0000:03:00.1'];

interface Ran {
  readonly status: 0 | 1;
  readonly said: readonly string[];
  /** What was opened or read, in order. */
  readonly touched: readonly string[];
}

/** One run in this process, on the stage's machine. */
async function run(
  on: Stage,
  operation: string,
  subOperation: string,
  changed: Partial<HookRun> = {},
): Promise<Ran> {
  const said: string[] = [];
  const touched: string[] = [];
  const note = <T>(what: string, value: T): T => {
    touched.push(what);
    return value;
  };
  const engine = openEngine({
    where: locations(on.directory),
    host: () => note('host', on.machine.host()),
    decoder: () => note('decoder', { decodeConfigFile, placeRules }),
    interrupted: () => undefined,
  });
  const status = await runHook({
    invocation: { guest: win11.name, operation, subOperation, extra: '-' },
    openEngine: engine.open,
    readStdin: () => note('stdin', win11.xml),
    loadParser: () => note('parser', parseDomain),
    loudLog: () => note('loud log', noLog),
    say: (line) => said.push(line),
    scripts: {
      tree: undefined,
      between: locations(on.directory).between,
      load: () => note('scripts', { runScript, tryScript }),
      whenTold: () => () => undefined,
      say: () => undefined,
      answer: () => undefined,
    },
    ...changed,
  });
  return { status, said, touched };
}

describe('runHook', () => {
  it('opens nothing and reads nothing where there is nothing to do', async () => {
    const on = stage('amd-rdna3-desktop');
    for (const [operation, sub] of [
      ['reconnect', 'begin'],
      ['stopped', 'end'],
      ['unknown', '-'],
    ] as const) {
      assert.deepEqual(await run(on, operation, sub), { status: 0, said: [], touched: [] });
    }
  });

  it('opens nothing at the start of a guest for which libvirt has chosen nothing', async () => {
    const { status, said, touched } = await run(stage('amd-rdna3-desktop'), 'start', 'begin');
    assert.deepEqual([status, said, touched], [0, [], ['stdin']]);
  });

  it('prepares by the XML and releases without it, with no decoder while there is no configuration', async () => {
    const on = stage('amd-rdna3-desktop');
    const before = picture(on);
    const prepared = await run(on, 'prepare', 'begin');
    assert.deepEqual([prepared.status, prepared.said], [0, []]);
    assert.deepEqual([...prepared.touched].sort(), ['host', 'parser', 'stdin']);
    assert.deepEqual(drivers(on, GPU), ['vfio-pci', 'vfio-pci']);
    assert.deepEqual(await run(on, 'release', 'end'), { status: 0, said: [], touched: ['host'] });
    assert.deepEqual([picture(on), claims(on)], [before, {}]);
  });

  it('loads the loud log for level debug, and for no other', async () => {
    for (const level of ['err', 'info', 'debug']) {
      const on = stage('amd-rdna3-desktop');
      configure(on, 'config.yaml', `log: { level: ${level} }\n`);
      const { status, touched } = await run(on, 'prepare', 'begin');
      assert.equal(status, 0);
      assert.equal(touched.includes('loud log'), level === 'debug');
    }
  });

  it('says an error with its hints, and logs it with its code', async () => {
    const on = stage('amd-rdna3-desktop');
    const fail = (): never => {
      throw new VfioHookError('VH_XML', 'cannot do it', { hints: [advice('do this'), advice('or that')] });
    };
    const { status, said } = await run(on, 'prepare', 'begin', { readStdin: fail });
    assert.equal(status, 1);
    assert.deepEqual(said, [
      'vfio-hook: error: cannot do it',
      'vfio-hook: hint: do this',
      'vfio-hook: hint: or that',
    ]);
    const log = readFileSync(join(on.directory, 'vfio-hook.log'), 'utf8');
    assert.match(log, /^\S+ err {5}cannot do it guest=win11-rx7900 result=VH_XML\n$/);
  });

  it('never throws: a fault of its own is said as one, without a stack', async () => {
    const on = stage('amd-rdna3-desktop');
    const broken = {
      readStdin: (): never => {
        throw new TypeError('x is undefined');
      },
      loadParser: (): never => {
        throw new Error('cannot load');
      },
      openEngine: (): never => {
        throw new RangeError('no engine');
      },
    };
    for (const [name, fails] of Object.entries(broken)) {
      const { status, said } = await run(on, 'prepare', 'begin', { [name]: fails });
      assert.equal(status, 1);
      assert.match(said[0] ?? '', /^vfio-hook: error: (?:x is undefined|cannot load|no engine)$/);
      assert.deepEqual(said.slice(1), [
        'vfio-hook: hint: this is a fault of vfio-hook; please report it with the output of: vfio-hook --version',
      ]);
    }
    assert.deepEqual(claims(on), {});
  });
});

describe('locations', () => {
  it('are the fixed ones on a real host, all owned by root', () => {
    assert.deepEqual(locations(undefined), {
      stateDirectory: '/run/vfio-hook',
      configDirectory: '/etc/vfio-hook',
      logFile: '/var/log/libvirt/vfio-hook.log',
      journal: true,
      trustedUid: 0,
      scripts: undefined,
      between: { directory: '/etc/libvirt/hooks/qemu.d', uid: 0 },
    });
  });

  it('have scripts beside libvirt’s own hook, and beside no other', () => {
    assert.deepEqual(locations(undefined, '/etc/libvirt/hooks/qemu').scripts, {
      directory: '/etc/libvirt/hooks/qemu.d',
      uid: 0,
    });
    assert.equal(locations(undefined, '/etc/libvirt/hooks/qemu.d/50-vfio-hook').scripts, undefined);
  });

  it('are all below the directory of a simulated machine, and its log goes to no journal', () => {
    const { stateDirectory, configDirectory, logFile, journal, trustedUid } = locations('/m');
    assert.deepEqual(
      [stateDirectory, configDirectory, logFile, journal],
      ['/m/run', '/m/etc', '/m/vfio-hook.log', false],
    );
    assert.equal(trustedUid, process.geteuid?.());
  });
});
