import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { commands } from '../src/cli/commands/index.ts';
import { classWords } from '../src/config/match.ts';
import { checks } from '../src/doctor/checks.ts';
import { lints } from '../src/doctor/lint/lints.ts';
import { check, examplesOf, printed, type Setting } from './docs-examples.ts';

const repository = fileURLToPath(new URL('..', import.meta.url));
const documents = [
  ...readdirSync(repository),
  ...readdirSync(join(repository, 'docs'), { recursive: true, encoding: 'utf8' }).map(
    (name) => `docs/${name}`,
  ),
].filter((name) => name.endsWith('.md'));

const read = (path: string): string => readFileSync(join(repository, path), 'utf8');

/** A line that is typed, of a command that reads what only root may read, or changes something. */
const NEED_ROOT =
  /^(?:\$ )?vfio-hook (?:bind|detach|doctor|init|log|plan|reattach|recover|run|snapshot|status|unbind|validate)\b/;

/** The example of what is said without root. */
const WITHOUT_ROOT: readonly string[] = ['$ vfio-hook detach 01:00.0'];

/** The document without its fences, whose brackets are no links. */
const prose = (path: string): string => read(path).replace(/^```[^]*?^```$/gm, '');

describe('the documents', () => {
  it('are these', () => {
    assert.deepEqual(documents.sort(), [
      'CHANGELOG.md',
      'CONTRIBUTING.md',
      'README.md',
      'SECURITY.md',
      'docs/architecture.md',
      'docs/benchmarks.md',
      'docs/coexistence.md',
      'docs/configuration.md',
      'docs/decisions.md',
      'docs/doctor.md',
      'docs/errors.md',
      'docs/failure-modes.md',
      'docs/guides/display.md',
      'docs/guides/mdev.md',
      'docs/guides/scripts.md',
      'docs/guides/sriov.md',
      'docs/guides/tuning.md',
      'docs/guides/vgpu.md',
      'docs/json.md',
      'docs/kernel-notes.md',
      'docs/other-vmms.md',
      'docs/packaging.md',
      'docs/recovery.md',
      'docs/releasing.md',
      'docs/troubleshooting.md',
    ]);
  });

  for (const document of documents) {
    describe(document, () => {
      it('has links that lead somewhere, also to headings', () => {
        assert.deepEqual(
          linksOf(document).filter((link) => !leadsSomewhere(document, link)),
          [],
        );
      });

      it('names only examples that exist', () => {
        const named = [...read(document).matchAll(/examples\/(?:configs|domains|hosts)\/[\w-]+\.\w+/g)];
        assert.deepEqual(
          named.map(([path]) => path).filter((path) => !existsSync(join(repository, path))),
          [],
        );
      });

      it('names only npm scripts that exist', () => {
        const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
        const named = [...read(document).matchAll(/npm run ([\w:]+)/g)].map(([, name = '']) => name);
        assert.deepEqual(
          named.filter((name) => !Object.hasOwn(scripts, name)),
          [],
        );
      });

      it('names only source and test files that exist', () => {
        const named = [...read(document).matchAll(/`((?:src|test|scripts|hooks|schema)\/[\w./-]*\w\.\w+)`/g)];
        assert.deepEqual(
          named.map(([, path = '']) => path).filter((path) => !existsSync(join(repository, path))),
          [],
        );
      });

      it('begins commands that need root with sudo', () => {
        const without = read(document)
          .split('\n')
          .filter((line) => NEED_ROOT.test(line) && !line.includes('--host') && !WITHOUT_ROOT.includes(line));
        assert.deepEqual(without, []);
      });

      for (const example of examplesOf(document)) {
        it(`prints what is printed: ${example.name}`, () => {
          check(example);
        });
      }
    });
  }

  it('have a checked example in each of those that promise one', () => {
    const without = [
      'README.md',
      'docs/configuration.md',
      'docs/errors.md',
      'docs/failure-modes.md',
      'docs/troubleshooting.md',
    ].filter((document) => examplesOf(document).length === 0);
    assert.deepEqual(without, []);
  });
});

describe('the README', () => {
  it('has each command in its table, and no other', () => {
    const rows = [...read('README.md').matchAll(/^\| `vfio-hook ([\w-]+)/gm)].map(([, name]) => name);
    assert.deepEqual(
      rows,
      commands.map(({ name }) => name),
    );
  });
});

describe('docs/errors.md', () => {
  it('has a heading for each code, in the order of the source, and no other', () => {
    const codes = [...read('src/errors.ts').matchAll(/^ {2}\| '(VH_\w+)'/gm)].map(([, code]) => code);
    assert.ok(codes.length > 10, 'the list of codes is not where it was');
    const headings = [...read('docs/errors.md').matchAll(/^## `(VH_\w+)`/gm)].map(([, code]) => code);
    assert.deepEqual(headings, codes);
  });
});

describe('docs/configuration.md', () => {
  const text = read('docs/configuration.md');

  it('has a row for each key of the schema, and no other', () => {
    const schema = JSON.parse(read('schema/vfio-hook.schema.json')) as JsonSchema;
    const [section = ''] = /^## Every key$[^]*?(?=^### )/m.exec(text) ?? [];
    const rows = [...section.matchAll(/^\| `([\w$.[\]]+)` \|/gm)].map(([, key = '']) => key);
    assert.deepEqual(rows.sort(), keysOf(schema).sort());
  });

  it('has every word for a class of devices', () => {
    assert.deepEqual(
      Object.keys(classWords).filter((word) => !text.includes(`\`${word}\``)),
      [],
    );
  });
});

describe('docs/doctor.md', () => {
  it('has a row for each check and each piece of advice, in their order, and no other', () => {
    const rows = [...read('docs/doctor.md').matchAll(/^\| `([a-z\d-]+)` \| [^|]+ \| [^|]+ \|$/gm)];
    const ids = rows.map(([, id]) => id);
    const known = [...Object.keys(checks), ...Object.keys(lints)];
    assert.deepEqual([...ids].sort(), known.sort());
  });
});

describe('docs/json.md', () => {
  const document = read('docs/json.md');
  const card = 'windows-11-rx7900xtx';
  const hung = {
    host: 'amd-rdna3-desktop',
    config: 'timeouts: {kernelWrite: 300ms}\n',
    faults: [{ path: '*/snd_hda_intel/unbind', effect: { kind: 'hang' } }],
    started: [card],
  } as const satisfies Setting;
  const settings: readonly (readonly [command: string, setting: Setting])[] = [
    ['hostdevs examples/domains/nvme-disk.xml', {}],
    ['hostdevs examples/domains/mdev-vgpu.xml', {}],
    [
      `plan examples/domains/${card}.xml`,
      { host: 'amd-rdna3-desktop', domain: card, config: 'rdna3-bar2.yaml' },
    ],
    [`plan examples/domains/gpu-only-function-0.xml`, { host: 'amd-rdna3-desktop', started: [card] }],
    [
      'status',
      { host: 'amd-rdna3-desktop', started: [card], damaged: '00000000-1111-4222-8333-444444444444' },
    ],
    ['status', hung],
    ['recover', hung],
    [
      'groups',
      {
        host: 'amd-rdna3-desktop',
        started: [card],
        then: [{ do: 'open-group', devices: ['0000:03:00.0'], guest: 'win11-rx7900', pid: 4242 }],
      },
    ],
    ['groups', { host: 'sriov-nic' }],
    ['mdev', { host: 'nvidia-vgpu-mdev' }],
    ['mdev', { host: 'amd-rdna3-desktop' }],
    ['mdev', { host: 'intel-gvt-g', domain: 'mdev-vgpu', config: 'mdev.yaml', started: ['mdev-vgpu'] }],
    [
      'vgpu',
      {
        host: 'nvidia-vgpu-server',
        config: 'vgpu: [{vf: auto, type: L40S-8Q}]\n',
        started: ['nvidia-vgpu'],
        then: [{ do: 'open-group', devices: ['0000:41:00.4'], guest: 'ai-vgpu', pid: 4242 }],
      },
    ],
    ['doctor', { host: 'amd-rdna3-desktop' }],
    [`lint examples/domains/gpu-only-function-0.xml`, { host: 'amd-rdna3-desktop' }],
    ['detach 03:00.0,bar2=8MiB', { host: 'amd-rdna3-desktop' }],
    ['detach 0f:00.3 --dry-run', { host: 'amd-rdna3-desktop' }],
    ['status', { host: 'amd-rdna3-desktop', before: ['vfio-hook detach 0f:00.3'] }],
    ['reattach 0f:00.3', { host: 'amd-rdna3-desktop', before: ['vfio-hook detach 0f:00.3'] }],
  ];

  for (const [command, setting] of settings) {
    it(`explains each key of ${command}, with ${Object.keys(setting).join(', ') || 'nothing'}`, () => {
      const keys = [...keysIn(JSON.parse(printed(setting, `vfio-hook ${command} --json`)))];
      assert.ok(keys.length > 3, 'the command prints next to nothing');
      assert.deepEqual(
        keys.filter((key) => !new RegExp(`\`(?:[\\w.[\\]]*\\.)?${key}(?:\\[\\])?\``).test(document)),
        [],
      );
    });
  }
});

function keysIn(value: unknown, keys = new Set<string>()): Set<string> {
  if (Array.isArray(value)) for (const entry of value) keysIn(entry, keys);
  else if (typeof value === 'object' && value !== null) {
    for (const [key, inner] of Object.entries(value)) keysIn(inner, keys.add(key));
  }
  return keys;
}

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
}

/** `timeouts.lock`, `devices[].match`; BARs count as one key, `devices[].bars`. */
function keysOf(schema: JsonSchema, path = ''): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, value]) => {
    const here = path === '' ? key : `${path}.${key}`;
    if (key === 'bars') return [here];
    const inner = value.items ? keysOf(value.items, `${here}[]`) : keysOf(value, here);
    return inner.length > 0 ? inner : [here];
  });
}

function linksOf(document: string): string[] {
  return [...prose(document).matchAll(/\]\(([^()\s]+)\)/g)]
    .map(([, link = '']) => link)
    .filter((link) => !/^https?:/.test(link));
}

function leadsSomewhere(document: string, link: string): boolean {
  const [path = '', heading] = link.split('#');
  const target = path === '' ? document : normalize(join(dirname(document), path));
  if (!existsSync(join(repository, target))) return false;
  return heading === undefined || headingsOf(target).includes(heading);
}

/** Headings as the usual Markdown viewers name them in links. */
function headingsOf(document: string): string[] {
  return [...prose(document).matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/\s/g, '-'),
  );
}
