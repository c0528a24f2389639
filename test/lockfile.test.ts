import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repository } from './hook/compiled.ts';

interface Package {
  readonly version: string;
  readonly license?: string;
  readonly integrity?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly hasInstallScript?: boolean;
}

interface Manifest {
  readonly devDependencies: Readonly<Record<string, string>>;
}

function read(path: string): unknown {
  return JSON.parse(readFileSync(join(repository, path), 'utf8'));
}

const { packages } = read('package-lock.json') as { packages: Readonly<Record<string, Package>> };
const manifest = read('package.json') as Manifest;

/** Every installed package but the project itself: name, and what the lock file says. */
const installed = Object.entries(packages)
  .filter(([path]) => path !== '')
  .map(([path, entry]) => ({
    name: path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length),
    ...entry,
  }));

/** `name version` of each package whose code is in what is built: what scripts/licences.ts wrote down. */
const bundled = [
  ...readFileSync(join(repository, 'dist/THIRD-PARTY-LICENCES.txt'), 'utf8').matchAll(
    /^(\S+ \d+\.\d+\.\d+) \([\w.-]+\)$/gm,
  ),
].flatMap(([, named]) => named ?? []);
const inTheBuild = installed.filter(({ name, version }) => bundled.includes(`${name} ${version}`));

function isAtLeast(version: string, floor: string): boolean {
  const [have, want] = [version, floor].map((text) => text.split('.').map((part) => parseInt(part, 10)));
  for (const [index, part] of (want ?? []).entries()) {
    if (have?.[index] !== part) return (have?.[index] ?? 0) > part;
  }
  return true;
}

/** The first versions without a published weakness. */
const floors: Readonly<Record<string, string>> = {
  'fast-xml-parser': '5.7.0',
  'js-yaml': '4.3.2',
  'cross-spawn': '7.0.5',
  winston: '3.19.0',
  async: '3.2.2',
  'serialize-javascript': '7.0.5',
  diff: '8.0.3',
};

/** Versions that were published by a thief. */
const hijacked: readonly string[] = [
  'color@5.0.1',
  'color-convert@3.1.1',
  'color-string@2.1.1',
  'color-name@2.0.1',
  'error-ex@1.3.3',
  'is-arrayish@0.3.3',
  'chalk@5.6.1',
  'debug@4.4.2',
  'ansi-styles@6.2.2',
  'ansi-regex@6.2.1',
  'strip-ansi@7.1.1',
  'wrap-ansi@9.0.1',
  'supports-color@10.2.1',
  'simple-swizzle@0.2.3',
  'slice-ansi@7.1.1',
  'backslash@0.2.1',
  'colors@1.4.1',
  'colors@1.4.2',
];

describe('package-lock.json', () => {
  it('holds no package below the version that ended its known weaknesses', () => {
    for (const [name, floor] of Object.entries(floors)) {
      const found = installed.filter((entry) => entry.name === name);
      assert.ok(found.length > 0, `${name} is not installed: take it from the list`);
      for (const { version } of found)
        assert.ok(isAtLeast(version, floor), `${name} ${version} is older than ${floor}`);
    }
  });

  it('holds none of the versions that were hijacked', () => {
    const here = installed.map(({ name, version }) => `${name}@${version}`);
    assert.deepEqual(
      hijacked.filter((each) => here.includes(each)),
      [],
    );
    assert.ok(here.some((each) => each.startsWith('color-convert@')));
  });

  it('whoever installs the package from npm gets no other one: what it needs is in what is built', () => {
    assert.deepEqual(
      installed.filter(({ dev }) => dev !== true),
      [],
    );
  });

  it('has each package that is in what is built', () => {
    const locked = installed.map(({ name, version }) => `${name} ${version}`);
    assert.deepEqual(
      bundled.filter((each) => !locked.includes(each)),
      [],
    );
    for (const name of ['cosmiconfig', 'fast-xml-parser', 'winston'])
      assert.ok(bundled.some((each) => each.startsWith(`${name} `)));
    assert.ok(inTheBuild.length < 90, `${inTheBuild.length} packages`);
  });

  it('no package that is in what is built runs a script when it is installed', () => {
    assert.deepEqual(
      inTheBuild.filter(({ hasInstallScript }) => hasInstallScript === true),
      [],
    );
    const scripted = installed
      .filter(({ hasInstallScript }) => hasInstallScript === true)
      .map(({ name }) => name);
    assert.deepEqual(
      scripted.filter((name) => !['esbuild', 'fsevents'].includes(name)),
      [],
    );
  });

  it('no package may run a script when it is installed, whoever installs it', () => {
    const settings = readFileSync(join(repository, '.npmrc'), 'utf8').split('\n');
    assert.ok(settings.includes('ignore-scripts=true'));
  });

  it('every licence is known: permissive in what is built, free in development', () => {
    const permissive = ['MIT', 'ISC', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'Python-2.0', '0BSD'];
    const free = [...permissive, 'BlueOak-1.0.0'];
    for (const entry of installed) {
      const allowed = inTheBuild.includes(entry) ? permissive : free;
      assert.ok(allowed.includes(entry.license ?? ''), `${entry.name}: ${String(entry.license)}`);
    }
  });

  it('every package is bound to its content', () => {
    for (const { name, integrity } of installed) assert.match(integrity ?? '', /^sha512-/, name);
  });

  it('package.json pins each version exactly, and the lock file has it', () => {
    for (const [name, version] of Object.entries(manifest.devDependencies)) {
      assert.match(version, /^\d+\.\d+\.\d+$/, name);
      assert.equal(packages[`node_modules/${name}`]?.version, version, name);
    }
  });
});

describe('isAtLeast', () => {
  it('compares versions number by number', () => {
    for (const [version, floor] of [
      ['5.7.0', '5.7.0'],
      ['5.12.1', '5.7.0'],
      ['6.0.0', '5.7.0'],
      ['4.3.10', '4.3.2'],
    ] as const)
      assert.ok(isAtLeast(version, floor));
    for (const [version, floor] of [
      ['5.6.9', '5.7.0'],
      ['4.9.9', '5.7.0'],
      ['4.3.1', '4.3.2'],
    ] as const)
      assert.ok(!isAtLeast(version, floor));
  });
});
