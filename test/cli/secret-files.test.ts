import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from '../hook/compiled.ts';
import { domain, host, machine, run } from './run.ts';

/** Files of root that are no configuration, no machine and no guest; `S3cret` marks what nobody may learn. */
const secrets: Readonly<Record<string, string>> = {
  shadow:
    'root:$y$j9T$S3cretRoot$aS3cretB:19000:0:99999:7:::\ndaemon:*:19000:0:99999:7:::\nme:!$6$S3cret$x:1::::::\n',
  'shadow with a line twice': 'root:$6$S3cret$x:19000:0:99999:7:::\nroot:$6$S3cret$x:19000:0:99999:7:::\n',
  pgpass: 'db.example:5432:main:admin:S3cret\n',
  wireguard: '[Interface]\nPrivateKey = S3cretS3cretS3cret=\nAddress = 10.0.0.1/24\n',
  key: '-----BEGIN OPENSSH PRIVATE KEY-----\nS3cretS3cret\n-----END OPENSSH PRIVATE KEY-----\n',
  'a single word': 'S3cret\n',
  'a value':
    'password: S3cret\ntimeouts: S3cret\nlog: { level: S3cret }\ndevices:\n  - match: S3cret\n    driver: S3cret/x\n',
  'a machine': 'name: S3cret\nkernel: S3cret\ndevices: S3cret\n',
  'a tag and an alias': 'a: !S3cret x\nb: *S3cret\nlog: "\\S3cret"\n',
  'a date': '"S3cret S3cret": 2026-01-01\n',
  json: '{"token": S3cret}',
  markup: '<S3cret-S3cret x=S3cret>S3cret</x>',
  'text and markup': 'S3cret <domain/>',
};

/** What can be made to read a file that the caller names. */
const commands: Readonly<Record<string, (file: string, own: readonly string[]) => string[]>> = {
  'plan --config': (file, own) => ['plan', domain('windows-11-rx7900xtx'), '--config', file, ...own],
  'plan --host': (file) => ['plan', domain('windows-11-rx7900xtx'), '--host', file],
  plan: (file, own) => ['plan', file, ...own],
  validate: (file, own) => ['validate', file, ...own],
  lint: (file, own) => ['lint', file, ...own],
  hostdevs: (file, own) => ['hostdevs', file, ...own],
  init: (file, own) => ['init', file, '--output', '-', ...own],
  'import-scripts --from': (file, own) => ['import-scripts', 'win11', '--from', file, ...own],
  'groups --host': (file) => ['groups', '--host', file],
  'map --host': (file) => ['map', '--host', file],
  'simulate --config': (file) => [
    'simulate',
    '--host',
    host('amd-rdna3-desktop'),
    '--domain',
    domain('windows-11-rx7900xtx'),
    '--config',
    file,
  ],
};

describe('a file that is named on the command line', () => {
  for (const [command, args] of Object.entries(commands)) {
    it(`${command}: nothing of what is in it is said but a key that is a word`, () => {
      const on = machine();
      const directory = temporaryDirectory();
      for (const [title, text] of Object.entries(secrets)) {
        for (const ending of ['.yaml', '.json', '.xml']) {
          // A file's name chooses its reader for a configuration alone.
          const isRead = ending === (command === 'plan' || command === 'init' ? '.xml' : '.yaml');
          if (!isRead && !(ending === '.json' && command.endsWith('--config'))) continue;
          const file = join(directory, `file${ending}`);
          writeFileSync(file, text);
          const { status, stdout, stderr } = run(args(file, on.option));
          const said = `${command}, ${title}, ${ending}: ${stdout}${stderr}`;
          assert.doesNotMatch(stdout + stderr.replaceAll('S3cret-S3cret', ''), /S3cret/, said);
          assert.notEqual(status, 0, said);
          assert.match(stderr + stdout, /file\.(?:yaml|json|xml)|domain XML|cannot use configuration/, said);
        }
      }
    }).timeout(120_000);
  }
});
