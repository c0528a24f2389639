import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { defaultConfig, type Config } from '../../src/config/config.ts';
import { decodeConfigFile } from '../../src/config/decode.ts';
import { loadConfig } from '../../src/engine/config-file.ts';
import { VfioHookError } from '../../src/errors.ts';

const UUID = '2c4b0ae6-52b6-4a43-b8f6-8a6d0ef15fb2';
let directory = '';
let configDir = '';
/** How often the decoder was asked for. */
let loads = 0;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'vfio-hook-'));
  configDir = join(directory, 'etc');
  mkdirSync(join(configDir, 'domains'), { recursive: true });
  for (const path of [configDir, join(configDir, 'domains')]) chmodSync(path, 0o755);
  loads = 0;
});

afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

function file(path: string, text: string): void {
  writeFileSync(join(configDir, path), text);
  chmodSync(join(configDir, path), 0o644);
}

function load(name = 'win11', uuid = UUID): Config {
  return loadConfig({
    configDir,
    trustedUid: process.getuid?.() ?? 0,
    guest: { name, uuid },
    decoder: () => {
      loads += 1;
      return { decodeConfigFile };
    },
  });
}

function message(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    assert.ok(error instanceof VfioHookError, String(error));
    assert.equal(error.code, 'VH_CONFIG');
    return error.message.replaceAll(configDir, '/etc');
  }
  assert.fail('nothing was refused');
}

describe('loadConfig', () => {
  it('takes the defaults, and loads no decoder, without a directory', () => {
    rmSync(configDir, { recursive: true });
    assert.deepEqual(load(), defaultConfig);
    assert.equal(loads, 0);
  });

  it('takes the defaults, and loads no decoder, without files for this guest', () => {
    file('domains/other.yaml', 'broken: [');
    file('domains/win11.yaml.bak', 'broken: [');
    file('README', 'broken: [');
    assert.deepEqual(load(), defaultConfig);
    assert.equal(loads, 0);
  });

  it('takes the defaults with config.yaml only and no directory domains', () => {
    rmSync(join(configDir, 'domains'), { recursive: true });
    file('config.yaml', 'log: {level: err}');
    assert.deepEqual(load(), { ...defaultConfig, log: { level: 'err' } });
  });

  it("puts the guest's file over the one of all guests", () => {
    file('config.yaml', 'timeouts: {lock: 1s, kernelWrite: 1s}\ndevices: [{match: vga}]\n');
    file('domains/win11.yaml', 'timeouts: {lock: 2s}\ndevices: [{match: nvme}]\n');
    const config = load();
    assert.deepEqual(config.timeouts, { kernelWrite: 1000, run: 120_000, lock: 2000, script: 120_000 });
    const rule = (word: string) => ({ match: { by: 'class', word }, bars: new Map() });
    assert.deepEqual(config.devices, [rule('vga'), rule('nvme')]);
    assert.deepEqual(load('other', UUID.replace('2', '3')).devices, [rule('vga')]);
  });

  for (const name of ['win11.yaml', 'win11.yml', 'win11.json', `${UUID}.yaml`, 'win%31%31.yaml']) {
    it(`finds domains/${name}`, () => {
      file(`domains/${name}`, '{"log": {"level": "debug"}}');
      assert.equal(load().log.level, 'debug');
    });
  }

  it('refuses two files for one guest and names both', () => {
    file('domains/win11.yaml', '');
    file(`domains/${UUID}.json`, '');
    assert.equal(
      message(load),
      `cannot choose a configuration for guest "win11": /etc/domains/${UUID}.json and /etc/domains/win11.yaml`,
    );
  });

  it('refuses two files for all guests and names both', () => {
    file('config.yaml', '');
    file('config.json', '');
    assert.equal(
      message(load),
      'cannot choose a configuration for the defaults of all guests: /etc/config.json and /etc/config.yaml',
    );
  });

  it('refuses the guest whose file is broken, and no other', () => {
    file('domains/win11.yaml', 'log:\n  level: loud\n');
    assert.equal(
      message(load),
      'cannot use configuration /etc/domains/win11.yaml: line 2: log.level: a text in place of one of err, warning, notice, info, debug',
    );
    assert.deepEqual(load('other'), defaultConfig);
  });

  it('refuses every guest when the file of all guests is broken', () => {
    file('config.yaml', 'logg: {}');
    const text = 'cannot use configuration /etc/config.yaml: line 1: unknown key "logg": did you mean log?';
    for (const name of ['win11', 'other'])
      assert.equal(
        message(() => load(name)),
        text,
      );
  });

  it('refuses the guest whose file anybody may write, and no other', () => {
    file('domains/win11.yaml', '');
    chmodSync(join(configDir, 'domains/win11.yaml'), 0o666);
    assert.match(
      message(load),
      /^cannot trust configuration \/etc\/domains\/win11\.yaml: everybody may write/,
    );
    assert.equal(loads, 0);
    assert.deepEqual(load('other'), defaultConfig);
  });

  it('refuses every guest when the directory is open to all, even if it has no file', () => {
    chmodSync(join(configDir, 'domains'), 0o777);
    assert.match(message(load), /^cannot trust configuration \/etc\/domains: everybody may write/);
  });

  it('refuses a link that leads to nothing rather than start without the configuration', () => {
    symlinkSync('gone.yaml', join(configDir, 'domains/win11.yaml'));
    assert.match(message(load), /leads to nothing$/);
  });

  it('decodes by the name of the entry, not by that of a link’s target', () => {
    file('domains/shared', '{"log": {"level": "err"}}');
    symlinkSync('shared', join(configDir, 'domains/win11.json'));
    assert.equal(load().log.level, 'err');
  });

  for (const name of [
    '..',
    '.',
    '',
    '../config',
    '/etc/passwd',
    '-rf',
    'domains',
    '__proto__',
    'a\nb',
    'x'.repeat(10_000),
  ]) {
    it(`has no file for a guest named ${JSON.stringify(name.slice(0, 20))}`, () => {
      file('domains/secret.yaml', 'broken: [');
      writeFileSync(join(directory, 'config.yaml'), 'broken: [');
      assert.deepEqual(load(name), defaultConfig);
      assert.equal(loads, 0);
    });
  }

  it('reads only the file that is meant, whatever the name of the guest', () => {
    file('domains/win11.yaml', 'log: {level: err}');
    const hostile = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.stringMatching(/^[./%a-z0-9-]{0,12}$/),
      fc.constantFrom('win11', 'win11.yaml', './win11', '../domains/win11', 'win11\0', 'WIN11', 'win%31%31'),
    );
    fc.assert(
      fc.property(hostile, (name) => {
        assert.equal(load(name).log.level, name === 'win11' ? 'err' : defaultConfig.log.level);
        assert.deepEqual(readdirSync(configDir), ['domains']);
      }),
      { numRuns: 300 },
    );
  });

  it('reads anew on each call', () => {
    file('domains/win11.yaml', 'log: {level: err}');
    assert.equal(load().log.level, 'err');
    file('domains/win11.yaml', 'log: {level: debug}');
    assert.equal(load().log.level, 'debug');
  });
});
