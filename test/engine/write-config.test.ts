import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { configHints, loadConfig } from '../../src/engine/config-file.ts';
import { writeGuestConfig, type ConfigTarget } from '../../src/engine/write-config.ts';
import { decodeConfigFile } from '../../src/config/decode.ts';
import { placeRules } from '../../src/config/place-rules.ts';
import type { ConfigEditor } from '../../src/config/config.ts';
import { allowance } from '../../src/engine/allowance.ts';
import { at, gpu, planFor } from '../plan/snapshots.ts';

const OTHER = '2c4b0ae6-52b6-4a43-b8f6-8a6d0ef15fb2';

describe('writeGuestConfig', () => {
  const guest = { name: 'win11', uuid: '7d0c1e0a-54b2-4c7e-9a55-0d3b8f1c2a01' };
  let root = '';
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'vfio-hook-config-'));
  });
  afterEach(() => {
    rmSync(root, { recursive: true });
  });
  const target = (facts: Partial<ConfigTarget> = {}): ConfigTarget => ({
    configDir: join(root, 'etc'),
    trustedUid: process.geteuid?.() ?? 0,
    guest,
    replace: false,
    ...facts,
  });

  for (const mask of [0o022, 0o000, 0o077]) {
    it(`umask ${mask.toString(8)}: what is written is what the hook reads`, () => {
      const before = process.umask(mask);
      try {
        const { path, backups } = writeGuestConfig(target(), 'log: { level: debug }\n');
        assert.deepEqual([statSync(path).mode & 0o7777, backups], [0o644, []]);
      } finally {
        process.umask(before);
      }
      const { configDir, trustedUid } = target();
      const config = loadConfig({ configDir, trustedUid, guest, decoder: () => ({ decodeConfigFile }) });
      assert.equal(config.log.level, 'debug');
    });
  }

  const names = [
    'win11',
    'my guest',
    'a/b',
    '.hidden',
    'ü',
    '100%',
    "it's",
    'x'.repeat(300),
    guest.uuid,
    OTHER,
  ];
  for (const name of names) {
    it(`${JSON.stringify(name.slice(0, 40))}: advice names the file that is written, and the hook reads it`, () => {
      const own = { ...guest, name };
      const decoder = (): ConfigEditor => ({ decodeConfigFile, placeRules });
      const rule = {
        match: { by: 'address', address: at('03:00.0') },
        bars: new Map(),
        driver: 'x',
      } as const;
      const [pasted] = configHints({ ...target(), guest: own, decoder }, [rule]);
      const { path } = writeGuestConfig(target({ guest: own }), 'log: { level: debug }\n');
      const { configDir, trustedUid } = target();
      const config = loadConfig({ configDir, trustedUid, guest: own, decoder: () => ({ decodeConfigFile }) });
      assert.equal(config.log.level, 'debug');
      assert.equal(pasted?.kind === 'paste' && pasted.into, path);
      const named = `/etc/vfio-hook/domains/${basename(path)}`;
      const uses = [{ device: at('03:00.0'), reason: 'held', detail: '', hints: [] }] as const;
      const refused = planFor([gpu()], { owner: { kind: 'guest', ...own }, facts: { uses } });
      assert.ok(JSON.stringify(allowance(refused)).includes(named));
    });
  }

  it('a guest without a UUID gets a file as long as one can have its name', () => {
    assert.match(writeGuestConfig(target({ guest: { name: 'a b' } }), '').path, /a%20b\.yaml$/);
    assert.throws(
      () => writeGuestConfig(target({ guest: { name: OTHER } }), ''),
      /no file can be named after guest "2c4b0ae6-.*", and its XML has no <uuid> to name it after$/,
    );
  });

  it('who is not the owner of the configuration writes nothing', () => {
    assert.throws(
      () => writeGuestConfig(target({ trustedUid: 12_345 }), ''),
      /^VfioHookError: cannot write to \S+domains: the files in it belong to root$/,
    );
    assert.equal(existsSync(join(root, 'etc')), false);
  });

  it('what a run left that died while it wrote is in nobody’s way', () => {
    mkdirSync(join(root, 'etc/domains'), { recursive: true, mode: 0o755 });
    writeFileSync(join(root, 'etc/domains/.win11.yaml.new'), 'half a fi');
    const { path } = writeGuestConfig(target(), 'whole\n');
    assert.equal(readFileSync(path, 'utf8'), 'whole\n');
    assert.equal(existsSync(join(root, 'etc/domains/.win11.yaml.new')), false);
  });
});
