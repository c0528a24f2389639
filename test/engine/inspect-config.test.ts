import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeConfigFile } from '../../src/config/decode.ts';
import { inspectConfigs } from '../../src/engine/inspect-config.ts';

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
  const inspect = (): ReturnType<typeof inspectConfigs> =>
    inspectConfigs({
      configDir: directory,
      trustedUid: process.geteuid?.() ?? 0,
      decoder: () => ({ decodeConfigFile }),
    });

  it('no directory has no files', () => {
    rmSync(directory, { recursive: true });
    assert.deepEqual(inspect(), []);
    mkdirSync(directory);
  });

  it('has the defaults and every guest’s file, whoever the guest is, and nothing else', () => {
    put('config.yaml', 'log: { level: debug }\n');
    put('domains/win11.yaml', '');
    put('domains/other.json', '{}');
    put('domains/notes.txt', 'no configuration');
    put('domains/win11.yaml~', 'an old one');
    assert.deepEqual(
      inspect().map(({ path, entry }) => [path.slice(directory.length), entry?.toString()]),
      [
        ['/config.yaml', undefined],
        ['/domains/other.json', 'other.json'],
        ['/domains/win11.yaml', 'win11.yaml'],
      ],
    );
  });

  it('a broken file does not hide the others', () => {
    put('config.yaml', 'nonsense: 1\n');
    put('domains/a.yaml', 'devices: []\n', 0o666);
    put('domains/b.yaml', 'devices: []\n');
    const [defaults, a, b] = inspect();
    assert.ok(defaults && 'problem' in defaults.content);
    assert.match(defaults.content.problem.message, /line 1: unknown key "nonsense"/);
    assert.ok(a && 'problem' in a.content);
    assert.match(a.content.problem.message, /everybody may write to it/);
    assert.deepEqual(b?.content, { config: { devices: [] } });
  });

  it('a directory that others may write to is an error', () => {
    chmodSync(join(directory, 'domains'), 0o777);
    assert.throws(inspect, { code: 'VH_CONFIG' });
  });
});
