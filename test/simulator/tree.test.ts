import assert from 'node:assert/strict';
import { directory, find, link, linkText, overlay, text, textTree } from '../../simulator/tree.ts';

const root = directory({
  real: directory({ file: text(() => 'content'), up: link('/other'), self: link('/real/self') }),
  other: directory({ deep: directory({ leaf: text(() => 'leaf') }) }),
  short: link('/real'),
  gone: undefined,
});

function contentOf(path: string): string | undefined {
  const found = find(root, path, true);
  return found?.node.kind === 'file' ? found.node.text?.() : undefined;
}

describe('find', () => {
  const rows = [
    ['/real/file', 'content'],
    ['//real///file', 'content'],
    ['/short/file', 'content'],
    ['/short/up/deep/leaf', 'leaf'],
    ['/real/up/../real/file', 'content'],
    ['/real/./file', 'content'],
    ['/real/file/more', undefined],
    ['/real/nosuch', undefined],
    ['/gone', undefined],
    ['/real/self', undefined],
    ['/toString', undefined],
  ] as const;
  for (const [path, expected] of rows) {
    it(`${path} is ${JSON.stringify(expected)}`, () => {
      assert.equal(contentOf(path), expected);
    });
  }

  it('says where an entry really is', () => {
    assert.equal(find(root, '/short/up/deep', true)?.path, '/other/deep');
  });

  it('leaves a link at the end alone when it is told to', () => {
    const found = find(root, '/short', false);
    assert.deepEqual(found, { node: { kind: 'link', target: '/real' }, path: '/short' });
  });
});

describe('linkText', () => {
  it('is relative to the directory of the link', () => {
    assert.equal(
      linkText('/sys/devices/pci0000:00/0000:03:00.0/driver', '/sys/bus/pci/drivers/amdgpu'),
      '../../../bus/pci/drivers/amdgpu',
    );
  });
});

describe('textTree', () => {
  const tree = textTree({
    'net/eth0/operstate': 'up',
    'net/eth0/queues/': '',
    'net/eth0/master': '-> /sys/br0',
    top: 't',
  });

  it('makes directories of paths', () => {
    assert.deepEqual(tree.names(), ['net', 'top']);
    const found = find(tree, '/net/eth0/operstate', true);
    assert.equal(found?.node.kind === 'file' ? found.node.text?.() : undefined, 'up');
  });

  it('makes an empty directory of a path that ends in a slash', () => {
    const found = find(tree, '/net/eth0/queues', true);
    assert.deepEqual(found?.node.kind === 'directory' ? found.node.names() : undefined, []);
  });

  it('makes a link of a text with an arrow', () => {
    assert.deepEqual(find(tree, '/net/eth0/master', false)?.node, { kind: 'link', target: '/sys/br0' });
  });
});

describe('overlay', () => {
  it('joins directories and prefers the first of two files', () => {
    const joined = overlay(textTree({ 'a/x': '1', b: '1' }), textTree({ 'a/y': '2', b: '2' }));
    assert.deepEqual(joined.names().sort(), ['a', 'b']);
    const a = joined.child('a');
    assert.deepEqual(a?.kind === 'directory' ? a.names().sort() : undefined, ['x', 'y']);
    const b = joined.child('b');
    assert.equal(b?.kind === 'file' ? b.text?.() : undefined, '1');
  });
});
