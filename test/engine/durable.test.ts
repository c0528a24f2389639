import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makePrivateDirectory, removeFile, replaceFile } from '../../src/engine/durable.ts';
import { VfioHookError } from '../../src/errors.ts';
import { stateDirectory } from '../scenario.ts';

const me = process.getuid?.() ?? 0;
const program = fileURLToPath(new URL('processes/write-on-full-disk.ts', import.meta.url));
let directory = '';

beforeEach(() => {
  directory = stateDirectory();
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

/** What was refused: code, errno and message, without the directory. */
function refusal(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    assert.ok(error instanceof VfioHookError, String(error));
    return `${error.code} ${error.errno ?? '-'} ${error.message.replaceAll(directory, '')}`;
  }
  assert.fail('nothing was refused');
}

describe('replaceFile', () => {
  it('makes a file that only its owner can read, and replaces it whole', () => {
    const path = join(directory, 'a.json');
    replaceFile(path, 'a long first text');
    replaceFile(path, 'short');
    assert.equal(readFileSync(path, 'utf8'), 'short');
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.deepEqual(readdirSync(directory), ['a.json'], 'no temporary file is left');
  });

  it('replaces the link in the place of the file, and not what it leads to', () => {
    writeFileSync(join(directory, 'victim'), 'untouched');
    symlinkSync('victim', join(directory, 'a.json'));
    replaceFile(join(directory, 'a.json'), 'new');
    assert.equal(readFileSync(join(directory, 'victim'), 'utf8'), 'untouched');
    assert.equal(readFileSync(join(directory, 'a.json'), 'utf8'), 'new');
  });

  it('does not mind what a run that died has left of its temporary file, nor a link there', () => {
    writeFileSync(join(directory, 'victim'), 'untouched');
    symlinkSync('victim', join(directory, '.a.json.new'));
    replaceFile(join(directory, 'a.json'), 'new');
    assert.equal(readFileSync(join(directory, 'victim'), 'utf8'), 'untouched');
    assert.deepEqual(readdirSync(directory).sort(), ['a.json', 'victim']);
  });

  it('keeps the old text when the new one does not fit on the disk', () => {
    const path = join(directory, 'a.json');
    writeFileSync(path, 'old');
    // A limit on the size of files is the full disk that needs no root: the write stops in the middle with EFBIG.
    const said = execFileSync(
      'sh',
      ['-c', 'trap "" XFSZ; ulimit -f 8; exec "$0" --import=tsx "$1" "$2"', process.execPath, program, path],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] },
    );
    assert.equal(said, 'VH_CLAIM EFBIG\n');
    assert.equal(readFileSync(path, 'utf8'), 'old');
  });

  it('names the file and the errno when it cannot', () => {
    assert.equal(
      refusal(() => {
        replaceFile(join(directory, 'none/a.json'), 'x');
      }),
      'VH_CLAIM ENOENT cannot write /none/a.json: ENOENT',
    );
    writeFileSync(join(directory, 'file'), '');
    assert.equal(
      refusal(() => {
        replaceFile(join(directory, 'file/a.json'), 'x');
      }),
      'VH_CLAIM ENOTDIR cannot write /file/a.json: ENOTDIR',
    );
    mkdirSync(join(directory, 'b.json'));
    assert.equal(
      refusal(() => {
        replaceFile(join(directory, 'b.json'), 'x');
      }),
      'VH_CLAIM EISDIR cannot write /b.json: EISDIR',
    );
  });
});

describe('removeFile', () => {
  it('removes a file, and is content when it is gone', () => {
    writeFileSync(join(directory, 'a'), '');
    removeFile(join(directory, 'a'));
    removeFile(join(directory, 'a'));
    removeFile(join(directory, 'none/a'));
    assert.deepEqual(readdirSync(directory), []);
  });

  it('says that it could not remove one', () => {
    mkdirSync(join(directory, 'a'));
    assert.equal(
      refusal(() => {
        removeFile(join(directory, 'a'));
      }),
      'VH_CLAIM EISDIR cannot remove /a: EISDIR',
    );
  });
});

describe('makePrivateDirectory', () => {
  it('makes one that only its owner can enter, or finds it', () => {
    const path = join(directory, 'run');
    makePrivateDirectory(path, me);
    makePrivateDirectory(path, me);
    assert.equal(statSync(path).mode & 0o777, 0o700);
  });

  it('makes one level only', () => {
    assert.equal(
      refusal(() => {
        makePrivateDirectory(join(directory, 'a/b'), me);
      }),
      'VH_CLAIM ENOENT cannot write /a/b: ENOENT',
    );
  });

  const said = 'VH_CLAIM - /run is no directory that only root can enter';
  const wrong: readonly (readonly [name: string, make: (path: string) => void])[] = [
    [
      'a file',
      (path) => {
        writeFileSync(path, '');
      },
    ],
    [
      'a link to a directory',
      (path) => {
        mkdirSync(`${path}.d`, 0o700);
        symlinkSync(`${path}.d`, path);
      },
    ],
    [
      'a link that leads to nothing',
      (path) => {
        symlinkSync('nothing', path);
      },
    ],
    [
      'a directory that its group can enter',
      (path) => {
        mkdirSync(path);
        chmodSync(path, 0o710);
      },
    ],
    [
      'a directory that everybody can read',
      (path) => {
        mkdirSync(path);
        chmodSync(path, 0o704);
      },
    ],
  ];
  for (const [name, make] of wrong) {
    it(`refuses ${name} in its place`, () => {
      make(join(directory, 'run'));
      assert.equal(
        refusal(() => {
          makePrivateDirectory(join(directory, 'run'), me);
        }),
        said,
      );
    });
  }

  it('refuses a directory of another user', function () {
    const path = join(directory, 'run');
    mkdirSync(path, 0o700);
    if (me === 0) chownSync(path, 12345, 12345);
    assert.equal(
      refusal(() => {
        makePrivateDirectory(path, me === 0 ? 0 : me + 1);
      }),
      said,
    );
  });
});
