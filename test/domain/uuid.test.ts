import assert from 'node:assert/strict';
import { parseUuid } from '../../src/domain/uuid.ts';

describe('parseUuid', () => {
  const uuid = '82eef905-a0c9-4093-ab06-790e7ebe014c';
  it('reads the form that libvirt prints', () => {
    assert.equal(parseUuid(uuid), uuid);
  });
  it('makes it lower case', () => {
    assert.equal(parseUuid(uuid.toUpperCase()), uuid);
  });
  for (const text of [
    '',
    uuid.replaceAll('-', ''),
    ` ${uuid}`,
    `${uuid}\n`,
    `${uuid}0`,
    `{${uuid}}`,
    uuid.replace('8', 'g'),
  ]) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.equal(parseUuid(text), undefined);
    });
  }
});
