import assert from 'node:assert/strict';
import { chmodSync, chownSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { withChecksum } from '../../src/claim/checksum.ts';
import { choose, install, type Installation } from './compiled.ts';
import { call, configure, drivers, exampleGuest, stage, type Stage } from './stage.ts';

const win11 = exampleGuest('windows-11-rx7900xtx');
const GPU = ['0000:03:00.0', '0000:03:00.1'];
const MISSING = /^vfio-hook: error: cannot load .*config\.cjs\n/;

/** An installation that has lost the code which decodes: whoever needs it fails. */
function withoutDecoder(): Installation {
  const installed = install({ launcher: choose(process.execPath) });
  rmSync(join(partsOf(installed), 'config.cjs'));
  return installed;
}

function partsOf({ program }: Installation): string {
  const dist = dirname(program);
  const [parts] = readdirSync(dist).filter((name) => /^\d/.test(name));
  return join(dist, parts ?? '');
}

/** A machine with a configuration that was decoded by the usual installation. */
function started(): { readonly on: Stage; readonly kept: string } {
  const on = stage('amd-rdna3-desktop');
  configure(on, 'config.yaml', 'devices: [{match: "0000:03:00.0", bars: {0: 256M}}]\n');
  cycle(on);
  return { on, kept: join(on.directory, 'run/config/config.yaml.json') };
}

/** A start and an end. Returns what the start said. */
function cycle(on: Stage, program?: string): string {
  const options = program === undefined ? {} : { program };
  const { stderr, status } = call(on, win11, 'prepare', options);
  if (status !== 0) return stderr;
  assert.deepEqual(drivers(on, GPU), ['vfio-pci', 'vfio-pci']);
  assert.equal(call(on, win11, 'release', options).status, 0);
  return stderr;
}

describe('what the compiled hook keeps of its configuration', () => {
  it('is all that the next start needs', () => {
    const { on } = started();
    assert.equal(cycle(on, withoutDecoder().hook), '');
  });

  for (const [what, damage] of [
    [
      'torn',
      (path: string) => {
        writeFileSync(path, readFileSync(path).subarray(0, -40));
      },
    ],
    [
      'edited',
      (path: string) => {
        writeFileSync(path, readFileSync(path, 'utf8').replace('0000:03:00.0', '0000:00:02.0'));
      },
    ],
    [
      'writable by others',
      (path: string) => {
        chmodSync(path, 0o666);
      },
    ],
    [
      "somebody else's",
      (path: string) => {
        chownSync(path, 65534, 65534);
      },
    ],
    [
      'of another version',
      (path: string) => {
        const other = readFileSync(path, 'utf8')
          .replace(/"build": "[^"]*"/, '"build": "0.0.1-01234567"')
          .replace(/,\n "checksum": .*\n/, '\n');
        writeFileSync(path, withChecksum(other));
      },
    ],
    [
      'gone',
      (path: string) => {
        rmSync(path);
      },
    ],
  ] as const) {
    it(`is not used when it is ${what}`, function () {
      if (what.startsWith('somebody') && process.geteuid?.() !== 0) this.skip();
      const { on, kept } = started();
      damage(kept);
      assert.match(cycle(on, withoutDecoder().hook), MISSING);
      assert.equal(cycle(on), '');
      assert.equal(cycle(on, withoutDecoder().hook), '', 'it was put right');
    });
  }

  it('is not used once a byte of the configuration is another one', () => {
    const { on } = started();
    configure(on, 'config.yaml', 'devices: [{match: "0000:03:00.0", bars: {0: 512M}}]\n');
    assert.match(cycle(on, withoutDecoder().hook), MISSING);
  });
});
