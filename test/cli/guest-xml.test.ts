import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hintText } from '../../src/hint.ts';
import { readGuest } from '../../src/cli/guest-xml.ts';
import { VfioHookError } from '../../src/errors.ts';
import { readFailure } from '../../src/failure.ts';
import { parseDomain } from '../../src/domain/parse.ts';
import type { Host } from '../../src/host/host.ts';
import { fakeHost } from '../host/fake-host.ts';

const captures = fileURLToPath(new URL('../domain/captures/', import.meta.url));
const captured = readdirSync(captures).flatMap((version) =>
  readdirSync(join(captures, version)).map((file) => `${version}/${file}`),
);
const capture = readFileSync(join(captures, 'libvirt-12.8/xml-001-a-prepare-begin.xml'), 'utf8');
const { uuid } = parseDomain(capture, { name: 'a' });

/** What libvirt writes above a definition (src/util/virxml.c:virXMLEmitWarning). */
const defined = (xml: string, name = 'a'): string =>
  `<!--\nWARNING: THIS IS AN AUTO-GENERATED FILE. CHANGES TO IT ARE LIKELY TO BE\nOVERWRITTEN AND LOST. Changes to this xml configuration should be made using:\n  virsh edit ${name}\nor other application using the libvirt API.\n-->\n\n${xml}`;

/** The state of a running guest: its definition with others around it. */
const running = (xml: string): string =>
  `<!--\nWARNING: THIS IS AN AUTO-GENERATED FILE.\n-->\n\n<domstatus state='running' reason='booted' pid='4242'>\n  <monitor path='/var/lib/libvirt/qemu/domain-1-a/monitor.sock' type='unix'/>\n  <namespaces>\n    <mount/>\n  </namespaces>\n  <qemuCaps/>\n${xml}</domstatus>\n`;

const named = (name: string, id = uuid): string =>
  `<domain type='kvm'><name>${name}</name><uuid>${id}</uuid><devices/></domain>`;

const OTHER = 'b7a1e0d2-0d57-4b6b-9a43-4e1a2b9f0c11';

function libvirt(files: Readonly<Record<string, string>>): Host {
  return fakeHost({ files, empty: ['/etc/libvirt/qemu/networks'] });
}

/** What a port of this host throws where the user may not look. */
function denied(path: string): never {
  throw readFailure(path, 'EACCES');
}

function errorOf(action: () => unknown): VfioHookError {
  try {
    action();
  } catch (error) {
    assert.ok(error instanceof VfioHookError, String(error));
    return error;
  }
  assert.fail('it succeeded');
}

describe('readGuest', () => {
  for (const file of captured) {
    it(`${file} as libvirt keeps it: defined, and running`, () => {
      const xml = readFileSync(join(captures, file), 'utf8');
      const expected = parseDomain(xml);
      for (const [path, text] of [
        ['/etc/libvirt/qemu/a.xml', defined(xml)],
        ['/run/libvirt/qemu/a.xml', running(xml)],
      ] as const) {
        const read = readGuest('a', libvirt({ [path]: text }));
        assert.deepEqual([read.domain, read.path], [expected, path]);
        // What a hook gets on its standard input.
        assert.deepEqual(parseDomain(read.xml, { name: expected.name }), expected);
      }
    });
  }

  it('the definition counts before the running state', () => {
    const host = libvirt({
      '/etc/libvirt/qemu/a.xml': defined(named('a', OTHER)),
      '/run/libvirt/qemu/a.xml': running(capture),
    });
    assert.equal(readGuest('a', host).domain.uuid, OTHER);
  });

  it('by UUID, in either case, whatever else is broken; a guest with that name comes after it', () => {
    const host = libvirt({
      '/etc/libvirt/qemu/0.xml': `broken ${uuid}`,
      '/etc/libvirt/qemu/1.xml': defined(named('1', OTHER)).replace('virsh edit 1', uuid),
      '/etc/libvirt/qemu/a.xml': defined(capture),
      [`/etc/libvirt/qemu/${uuid}.xml`]: defined(named(uuid, OTHER)),
    });
    assert.equal(readGuest(uuid, host).domain.name, 'a');
    assert.equal(readGuest(uuid.toUpperCase(), host).domain.name, 'a');
    assert.equal(readGuest(OTHER, host).domain.name, '1');
  });

  it('a name is compared and never becomes a path', () => {
    const host: Host = {
      ...libvirt({ '/etc/libvirt/qemu/a.xml': defined(capture) }),
      read: (path) => {
        assert.equal(path, '/etc/libvirt/qemu/a.xml');
        return defined(capture);
      },
    };
    for (const hostile of ['..', '.', '', 'A', 'a ', '%61', '\u001b[2J', 'networks', '*', 'a.xm'])
      assert.match(
        errorOf(() => readGuest(hostile, host)).message,
        /^libvirt knows no guest ".*" on this host$/,
      );
  });

  it('an unknown name: the nearest as the hint, else those that there are', () => {
    const host = libvirt({
      '/etc/libvirt/qemu/win11.xml': defined(named('win11')),
      '/etc/libvirt/qemu/we\u001bird.xml': defined(named('weird')),
      '/etc/libvirt/qemu/note.txt': '',
    });
    const near = errorOf(() => readGuest('win10', host));
    assert.deepEqual([near.code, near.hints.map(hintText)[0]], ['VH_XML', 'did you mean "win11"?']);
    assert.equal(
      errorOf(() => readGuest('archlinux', host)).hints.map(hintText)[0],
      'it knows "we\\u{1b}ird", "win11"',
    );
    assert.equal(errorOf(() => readGuest('archlinux', libvirt({}))).hints.map(hintText)[0], 'it knows none');
  });

  it('a name that no file can have is one that libvirt does not know either', () => {
    for (const name of ['x'.repeat(300), 'a\0b']) {
      assert.match(errorOf(() => readGuest(name, libvirt({}))).message, /^libvirt knows no guest "/);
    }
  });

  it('who may not look is told how to', () => {
    for (const host of [
      { ...libvirt({}), list: denied },
      { ...libvirt({ '/etc/libvirt/qemu/a.xml': '' }), read: denied },
    ]) {
      const error = errorOf(() => readGuest('a', host));
      assert.equal(
        error.message,
        'cannot look for guest "a" among those of libvirt in /etc/libvirt/qemu: EACCES',
      );
      assert.deepEqual(error.hints.map(hintText), [
        'run it as root (sudo)',
        'or hand in the XML: virsh -c qemu:///system dumpxml a | vfio-hook … -',
      ]);
    }
    assert.equal(errorOf(() => readGuest('a\nb', { ...libvirt({}), list: denied })).hints.length, 1);
  });

  it('a definition that is no XML is said', () => {
    const host = libvirt({ '/etc/libvirt/qemu/a.xml': defined(capture).slice(0, -12) });
    assert.match(
      errorOf(() => readGuest('a', host)).message,
      /^cannot read the domain XML: [^\n]+ \(line \d+\)$/,
    );
  });
});

describe('readGuest: names and files', () => {
  const directory = mkdtempSync(join(tmpdir(), 'vfio-hook-guest-'));
  const home = process.cwd();
  before(() => {
    process.chdir(directory);
    for (const file of ['win11', 'win11.xml', 'dump']) writeFileSync(file, named(`file ${file}`));
    writeFileSync('live.xml', running(capture));
    mkdirSync('folder');
  });
  after(() => {
    process.chdir(home);
    rmSync(directory, { recursive: true });
  });
  const host = libvirt({
    '/etc/libvirt/qemu/win11.xml': defined(named('win11')),
    '/etc/libvirt/qemu/win11.xml.xml': defined(named('win11.xml')),
  });
  const rows: readonly (readonly [operand: string, guest: string])[] = [
    ['win11', 'win11'],
    ['./win11', 'file win11'],
    ['win11.xml', 'file win11.xml'],
    [join(directory, 'win11.xml'), 'file win11.xml'],
    ['dump', 'file dump'],
    ['live.xml', 'a'],
  ];
  for (const [operand, guest] of rows) {
    it(`${operand.replace(directory, 'DIRECTORY')} is ${guest}`, () => {
      assert.equal(readGuest(operand, host).domain.name, guest);
    });
  }

  it('a directory is no guest; a file that is not there is said', () => {
    assert.match(errorOf(() => readGuest('folder', host)).message, /^libvirt knows no guest "folder"/);
    const missing = errorOf(() => readGuest('nobody.xml', host));
    assert.deepEqual(
      [missing.code, missing.message],
      ['VH_FILE', 'cannot read nobody.xml: there is no such file'],
    );
    assert.match(errorOf(() => readGuest('./folder', host)).message, /: it is a directory$/);
  });

  it('who may not look at libvirt’s files gets the file of that name', () => {
    assert.equal(readGuest('win11', { ...host, list: denied }).domain.name, 'file win11');
  });
});
