import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import type { Config } from '../../src/config/config.ts';
import { decodeConfigFile } from '../../src/config/decode.ts';
import { loadConfig } from '../../src/engine/config-file.ts';
import { keptConfigs } from '../../src/engine/kept-config.ts';
import { VfioHookError } from '../../src/errors.ts';

const isRoot = process.getuid?.() === 0;
const trustedUid = process.getuid?.() ?? 0;
const folder = new URL('../../examples/configs/', import.meta.url);
const examples = readdirSync(folder).map((name) => ({
  name,
  text: readFileSync(new URL(name, folder), 'utf8'),
}));

let directory = '';
let configDir = '';
let stateDirectory = '';
let kept = '';
/** The files that were decoded since this was looked at last. */
let decoded: string[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'vfio-hook-'));
  configDir = join(directory, 'etc');
  stateDirectory = join(directory, 'run');
  kept = join(stateDirectory, 'config/config.yaml.json');
  mkdirSync(join(configDir, 'domains'), { recursive: true, mode: 0o755 });
  decoded = [];
});

afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

function file(path: string, text: string): void {
  writeFileSync(join(configDir, path), text);
  chmodSync(join(configDir, path), 0o644);
}

/** One load by a run of its own; `build` undefined: nothing is kept. */
function load(build?: string, guest = 'win11'): Config {
  return loadConfig({
    configDir,
    trustedUid,
    guest: { name: guest },
    decoder: () => ({
      decodeConfigFile: (text, path, scope) => {
        decoded.push(path.slice(configDir.length + 1));
        return decodeConfigFile(text, path, scope);
      },
    }),
    ...(build !== undefined && { kept: keptConfigs({ stateDirectory, configDir, trustedUid, build }) }),
  });
}

/** What a load comes to, and what it decoded. */
function loaded(guest?: string): { readonly config: Config; readonly decoded: readonly string[] } {
  decoded = [];
  const config = load('1', guest);
  return { config, decoded };
}

function outcome(build?: string): unknown {
  try {
    return load(build);
  } catch (error) {
    if (!(error instanceof VfioHookError)) throw error;
    const { code, message, hints, path } = error;
    return { code, message, hints, path };
  }
}

const ALL = 'timeouts: {lock: 3s}\ndevices: [{match: vga, bars: {0: 256M}}]\n';
const OWN = 'timeouts: {lock: 4s}\ndevices: [{match: audio}]\n';

describe('keptConfigs', () => {
  it('decodes each file once', () => {
    file('config.yaml', ALL);
    file('domains/win11.yaml', OWN);
    const plain = load();
    assert.deepEqual(loaded(), { config: plain, decoded: ['config.yaml', 'domains/win11.yaml'] });
    assert.deepEqual(loaded(), { config: plain, decoded: [] });
    assert.deepEqual(readdirSync(join(stateDirectory, 'config')), [
      'config.yaml.json',
      'domains%2Fwin11.yaml.json',
    ]);
  });

  it('is for root alone', () => {
    file('config.yaml', ALL);
    load('1');
    const modes = [stateDirectory, join(stateDirectory, 'config'), kept].map(
      (path) => statSync(path).mode & 0o7777,
    );
    assert.deepEqual(modes, [0o700, 0o700, 0o600]);
  });

  it('a guest with another file decodes that one only, and keeps both', () => {
    file('config.yaml', ALL);
    file('domains/win11.yaml', OWN);
    file('domains/linux.json', '{"timeouts": {"lock": "5s"}}');
    load('1');
    assert.deepEqual(loaded('linux').decoded, ['domains/linux.json']);
    assert.deepEqual(loaded('win11').decoded, []);
    assert.deepEqual(loaded('linux').decoded, []);
  });

  it('sees every change of one byte, also one back', () => {
    file('config.yaml', 'timeouts: {lock: 3s}\n');
    assert.equal(loaded().config.timeouts.lock, 3000);
    const { atime, mtime } = statSync(join(configDir, 'config.yaml'));
    file('config.yaml', 'timeouts: {lock: 4s}\n');
    utimesSync(join(configDir, 'config.yaml'), atime, mtime);
    assert.equal(loaded().config.timeouts.lock, 4000);
    file('config.yaml', 'timeouts: {lock: 3s}\n');
    assert.equal(loaded().config.timeouts.lock, 3000);
    assert.deepEqual(loaded().decoded, []);
  });

  it('a file that is gone says nothing, whatever is kept of it', () => {
    file('config.yaml', ALL);
    load('1');
    rmSync(join(configDir, 'config.yaml'));
    assert.deepEqual(loaded(), { config: load(), decoded: [] });
  });

  it('what is wrong with a file is said every time', () => {
    file('config.yaml', 'timeouts: {lok: 3s}\n');
    const [first, second] = [outcome('1'), outcome('1')];
    assert.deepEqual(first, outcome());
    assert.deepEqual(second, first);
    assert.equal(existsSync(kept), false);
  });

  it('a file that others may write is refused, although it was kept when it was not', () => {
    file('config.yaml', ALL);
    load('1');
    chmodSync(join(configDir, 'config.yaml'), 0o666);
    assert.throws(() => load('1'), /cannot trust configuration .* everybody may write to it/);
  });

  it('another build decodes anew', () => {
    file('config.yaml', ALL);
    load('1');
    decoded = [];
    load('2');
    assert.deepEqual(decoded, ['config.yaml']);
    assert.deepEqual(loaded().decoded, ['config.yaml'], 'and so does the first one after it');
  });

  it('the text that stands in for a file is neither kept nor looked for', () => {
    const instead = { path: join(configDir, 'domains/win11.yaml'), text: OWN };
    const options = { configDir, trustedUid, guest: { name: 'win11' }, instead };
    const keeping = keptConfigs({ stateDirectory, configDir, trustedUid, build: '1' });
    loadConfig({ ...options, kept: keeping, decoder: () => ({ decodeConfigFile }) });
    assert.equal(existsSync(stateDirectory), false);
  });

  describe('decodes anew, and puts it right, when the kept file', () => {
    const damages: readonly (readonly [what: string, damage: () => void])[] = [
      [
        'is gone',
        () => {
          rmSync(kept);
        },
      ],
      [
        'is empty',
        () => {
          truncateSync(kept);
        },
      ],
      [
        'is torn',
        () => {
          truncateSync(kept, statSync(kept).size - 30);
        },
      ],
      [
        'has another digit',
        () => {
          writeFileSync(kept, readFileSync(kept, 'utf8').replace('3000', '3001'));
        },
      ],
      [
        'is no text',
        () => {
          writeFileSync(kept, Buffer.from([0xff, 0xfe, 0]));
        },
      ],
      [
        'may be written by its group',
        () => {
          chmodSync(kept, 0o620);
        },
      ],
      [
        'may be written by everybody',
        () => {
          chmodSync(kept, 0o602);
        },
      ],
      [
        'is a link out of the directory',
        () => {
          writeFileSync(join(directory, 'other'), readFileSync(kept), { mode: 0o600 });
          rmSync(kept);
          symlinkSync(join(directory, 'other'), kept);
        },
      ],
      [
        'is of another user',
        function () {
          chownSync(kept, 65534, 65534);
        },
      ],
    ];
    for (const [what, damage] of damages) {
      it(what, function () {
        if (what.endsWith('user') && !isRoot) this.skip();
        file('config.yaml', ALL);
        const first = loaded().config;
        damage();
        assert.deepEqual(loaded(), { config: first, decoded: ['config.yaml'] });
        assert.deepEqual(loaded(), { config: first, decoded: [] });
      });
    }

    it('has any one byte changed', () => {
      file('config.yaml', ALL);
      const plain = load();
      load('1');
      const whole = readFileSync(kept);
      for (let at = 0; at < whole.length - 1; at += 1) {
        const torn = Buffer.from(whole);
        torn[at] = (torn[at] ?? 0) ^ 1;
        writeFileSync(kept, torn);
        assert.deepEqual(loaded(), { config: plain, decoded: ['config.yaml'] }, `byte ${at}`);
      }
    });
  });

  describe('a start goes on when nothing can be kept:', () => {
    const obstacles: readonly (readonly [what: string, obstacle: () => void])[] = [
      [
        'a file in place of the state directory',
        () => {
          writeFileSync(stateDirectory, '');
        },
      ],
      [
        'others may enter the state directory',
        () => {
          mkdirSync(stateDirectory);
          chmodSync(stateDirectory, 0o755);
        },
      ],
      [
        'a file in place of the directory',
        () => {
          mkdirSync(stateDirectory, { mode: 0o700 });
          writeFileSync(join(stateDirectory, 'config'), '');
        },
      ],
      [
        'a link in place of the directory',
        () => {
          mkdirSync(stateDirectory, { mode: 0o700 });
          mkdirSync(join(directory, 'elsewhere'), { mode: 0o700 });
          symlinkSync(join(directory, 'elsewhere'), join(stateDirectory, 'config'));
        },
      ],
      [
        'a directory in place of the kept file',
        () => {
          mkdirSync(join(kept, 'x'), { recursive: true, mode: 0o700 });
        },
      ],
      [
        'no such path can be made',
        () => {
          stateDirectory = '/proc/self/vfio-hook';
        },
      ],
    ];
    for (const [what, obstacle] of obstacles) {
      it(what, () => {
        file('config.yaml', ALL);
        const plain = load();
        obstacle();
        for (let run = 0; run < 2; run += 1)
          assert.deepEqual(loaded(), { config: plain, decoded: ['config.yaml'] });
        if (existsSync(join(directory, 'elsewhere'))) {
          assert.deepEqual(readdirSync(join(directory, 'elsewhere')), []);
        }
      });
    }

    it('the file is too long, or its name', () => {
      file('config.yaml', `${ALL}${'#'.repeat(70_000)}\n`);
      file(`domains/${'w'.repeat(245)}.yaml`, OWN);
      for (let run = 0; run < 2; run += 1) assert.equal(loaded('w'.repeat(245)).decoded.length, 2);
    });
  });

  it('comes to the same with what is kept and without, for examples as they are and with a few characters changed', () => {
    const change = fc.record({ at: fc.nat(4000), length: fc.nat(3), text: fc.string({ maxLength: 3 }) });
    fc.assert(
      fc.property(
        fc.constantFrom(...examples),
        fc.array(change, { maxLength: 2 }),
        ({ name, text }, changes) => {
          const changed = changes.reduce(
            (all, { at, length, text: put }) =>
              all.slice(0, at % all.length) + put + all.slice((at % all.length) + length),
            text,
          );
          const path = `config${name.slice(name.lastIndexOf('.'))}`;
          for (const other of ['config.yaml', 'config.json']) rmSync(join(configDir, other), { force: true });
          file(path, changed);
          const plain = outcome();
          const [first, second] = [outcome('1'), outcome('1')];
          assert.deepEqual(first, plain);
          assert.deepEqual(second, plain);
        },
      ),
      { numRuns: 300 },
    );
  });

  for (const { name, text } of examples) {
    it(`keeps examples/configs/${name}`, () => {
      const isOfGuest = text.includes('\ndisplay:');
      file(`${isOfGuest ? 'domains/win11' : 'config'}${name.slice(name.lastIndexOf('.'))}`, text);
      const { config } = loaded();
      assert.deepEqual(loaded(), { config, decoded: [] });
    });
  }
});
