import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { linesWith } from '../../../src/host/linux/large-file.ts';
import { stateDirectory } from '../../scenario.ts';

describe('linesWith', () => {
  let directory = '';
  beforeEach(() => {
    directory = stateDirectory();
  });
  afterEach(() => {
    rmSync(directory, { recursive: true });
  });

  const found = (text: string): string => {
    const path = join(directory, 'modules.alias');
    writeFileSync(path, text, 'latin1');
    return linesWith('alias vfio_pci:', path);
  };

  it('finds the first line, the last one without an end, and none that only contains the text', () => {
    assert.equal(
      found('alias vfio_pci:a x\n alias vfio_pci:b x\nalias pci:c alias vfio_pci:\n\nalias vfio_pci:d x'),
      'alias vfio_pci:a x\nalias vfio_pci:d x\n',
    );
    assert.equal(found(''), '');
    assert.equal(found('alias pci:v alias\n'), '');
  });

  it('finds the same as whoever has the whole text, wherever a chunk ends', () => {
    const line = fc.oneof(
      fc.nat(200).map((length) => `alias vfio_pci:${'v'.repeat(length)} module`),
      fc.nat(40_000).map((length) => `alias pci:${'*'.repeat(length)} \xfcmodule`),
      fc.constant(''),
    );
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 60 }), fc.boolean(), (lines, endsInNewline) => {
        const expected = lines
          .filter((each) => each.startsWith('alias vfio_pci:'))
          .map((each) => `${each}\n`);
        assert.equal(found(lines.join('\n') + (endsInNewline ? '\n' : '')), expected.join(''));
      }),
      { numRuns: 300 },
    );
  });

  it('with a line that no chunk holds returns everything', () => {
    const text = `alias vfio_pci:a x\n${'x'.repeat(300_000)}\nalias vfio_pci:b x\n`;
    assert.equal(found(text), text);
  });

  it('fails as a read does', () => {
    assert.throws(() => linesWith('x', join(directory, 'none')), { code: 'ENOENT' });
    assert.throws(() => linesWith('x', directory), { code: 'EISDIR' });
  });
});
