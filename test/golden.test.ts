import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expectGolden } from './golden.ts';

describe('expectGolden', () => {
  const root = dirname(fileURLToPath(import.meta.url));
  const before = process.env['UPDATE_GOLDEN'];
  let folder = '';
  let path = '';

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'golden-'));
    path = relative(root, join(folder, 'deep/text.txt'));
    delete process.env['UPDATE_GOLDEN'];
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
    if (before === undefined) delete process.env['UPDATE_GOLDEN'];
    else process.env['UPDATE_GOLDEN'] = before;
  });

  const write = (text: string): void => {
    process.env['UPDATE_GOLDEN'] = '1';
    expectGolden(path, text);
    delete process.env['UPDATE_GOLDEN'];
  };

  it('says that there is no golden file, and how to write it', () => {
    assert.throws(() => {
      expectGolden(path, 'a');
    }, /there is no golden file .*text\.txt; to write it, run the same test with UPDATE_GOLDEN=1/);
  });

  it('writes the file, with its folder, and then accepts the same text', () => {
    write('a\nb\n');
    assert.equal(readFileSync(join(folder, 'deep/text.txt'), 'utf8'), 'a\nb\n');
    expectGolden(path, 'a\nb\n');
  });

  const differences: readonly (readonly [title: string, golden: string, text: string, message: RegExp])[] = [
    ['a line', 'a\nb\n', 'a\nc\n', /in line 2: expected "b", got "c"; .*UPDATE_GOLDEN=1/],
    ['a line too few', 'a\nb', 'a', /in line 2: expected "b", got the end/],
    ['a line too many', 'a', 'a\nb', /in line 2: expected the end, got "b"/],
    ['a line end', 'a\n', 'a', /in line 2: expected "", got the end/],
    ['a blank at the end', 'a', 'a ', /in line 1: expected "a", got "a "/],
  ];
  for (const [title, golden, text, message] of differences) {
    it(`shows the first difference: ${title}`, () => {
      write(golden);
      assert.throws(() => {
        expectGolden(path, text);
      }, message);
    });
  }

  it('compares anew after the file was changed by hand', () => {
    write('a');
    writeFileSync(join(folder, 'deep/text.txt'), 'b');
    assert.throws(() => {
      expectGolden(path, 'a');
    });
  });
});
