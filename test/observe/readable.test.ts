import assert from 'node:assert/strict';
import { readableHost } from '../../src/observe/readable.ts';
import { fakeHost } from '../host/fake-host.ts';

function failing(code: string): () => never {
  return () => {
    throw Object.assign(new Error(code), { code });
  };
}

describe('readableHost', () => {
  it('shows what can be read as it is', () => {
    const { host, denied } = readableHost(fakeHost({ files: { '/a': 'text' }, links: { '/l': 'target' } }));
    assert.deepEqual(
      [host.read('/a'), host.readLink('/l'), host.list('/'), host.read('/b')],
      ['text', 'target', undefined, undefined],
    );
    assert.equal(denied.size, 0);
  });

  for (const code of ['EACCES', 'EPERM']) {
    it(`takes ${code} for a file that is not there, and remembers it`, () => {
      const refuse = failing(code);
      const { host, denied } = readableHost({
        ...fakeHost({}),
        read: refuse,
        readBytes: refuse,
        readLink: refuse,
        list: refuse,
        tryOpen: () => 'denied',
      });
      assert.deepEqual(
        [host.read('/a'), host.readBytes('/b', 4), host.readLink('/c'), host.list('/d'), host.tryOpen('/e')],
        [undefined, undefined, undefined, undefined, 'denied'],
      );
      assert.deepEqual([...denied], ['/a', '/b', '/c', '/d', '/e']);
    });
  }

  it('passes on what is no lack of permission', () => {
    const { host } = readableHost({ ...fakeHost({}), read: failing('EIO') });
    assert.throws(() => host.read('/a'), { code: 'EIO' });
  });
});
