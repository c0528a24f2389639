import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { advice, paste, type Hint } from '../../src/hint.ts';
import { applyToFile } from '../config/apply-hint.ts';
import { configure, exampleGuest, stage, type Guest, type Stage } from '../hook/stage.ts';
import { run } from './run.ts';

/** What `plan` says would allow the start, read back from its text. */
function allowances(on: Stage, guest: Guest): Hint[] {
  const { stdout } = run(['plan', '-', ...on.option], { input: guest.xml });
  return [...stdout.matchAll(/^ {2}hint: to allow it: (.*)$/gm)].map(([, text = '']) => {
    const [, rule, into] = /^(.*[\]}]) in (\/.*)$/.exec(text) ?? [];
    return rule === undefined || into === undefined ? advice(text) : paste(into, rule);
  });
}

/** What `lint` says about the configuration of the guest. */
function lintAdvice(on: Stage, guest: Guest): Hint[] {
  const { stdout } = run(['lint', '-', '--json', ...on.option], { input: guest.xml });
  const { findings } = JSON.parse(stdout) as { findings: { fix: Hint[] }[] };
  return findings
    .flatMap(({ fix }) => fix)
    .filter((hint) => (hint.kind === 'paste' ? hint.into : hint.text).includes('/etc/domains/'));
}

const arc = exampleGuest('intel-arc-a770');
const radeon = exampleGuest('windows-11-rx7900xtx');

describe('advice about the configuration, done to the word', () => {
  /** What is in the file before: text by the name of the file, what init writes, or nothing. */
  const befores: Readonly<
    Record<string, ((guest: Guest) => readonly [ending: string, text: string]) | 'init' | 'none'>
  > = {
    'no file yet': 'none',
    'what init wrote': 'init',
    'a list of rules': () => ['yaml', 'devices:\n  - match: "10de:2204"\n\nlog:\n  level: debug\n'],
    'a list in brackets': () => ['yml', 'devices: [{ match: "10de:2204" }]\n'],
    'no rules': () => ['yaml', 'timeouts:\n  lock: 5s\n'],
    JSON: () => ['json', '{\n  "devices": []\n}\n'],
  };
  for (const [title, before] of Object.entries(befores)) {
    const prepared = (host: string, guest: Guest): { readonly on: Stage; readonly file: string } => {
      const on = stage(host, (spec) => ({
        ...spec,
        files: { ...spec.files, [`/etc/libvirt/qemu/${guest.name}.xml`]: guest.xml },
      }));
      const [ending, text] = typeof before === 'function' ? before(guest) : ['yaml', ''];
      const file = join(on.directory, `etc/domains/${guest.name}.${ending}`);
      if (typeof before === 'function') configure(on, `domains/${guest.name}.${ending}`, text);
      else configure(on, 'config.yaml', '');
      if (before === 'init') assert.equal(run(['init', guest.name, ...on.option]).status, 0);
      return { on, file };
    };

    it(`plan, ${title}: then the guest can start, and the file is valid`, () => {
      const { on, file } = prepared('intel-arc', arc);
      const hints = allowances(on, arc);
      assert.equal(hints.length, 1);
      applyToFile(file, hints);
      const checked = run(['validate', ...on.option]);
      assert.equal(checked.status, 0, `${checked.stdout}\n${readFileSync(file, 'utf8')}`);
      assert.equal(run(['plan', '-', ...on.option], { input: arc.xml }).status, 0);
    });

    it(`lint, ${title}: then it is content, and the file is valid`, () => {
      const { on, file } = prepared('amd-rdna3-desktop', radeon);
      const hints = lintAdvice(on, radeon);
      assert.equal(hints.length, 1);
      applyToFile(file, hints);
      const checked = run(['validate', ...on.option]);
      assert.equal(checked.status, 0, `${checked.stdout}\n${readFileSync(file, 'utf8')}`);
      assert.deepEqual(lintAdvice(on, radeon), []);
    });
  }

  it('init and then the lines of advice: the line to take in, not a second list', () => {
    const on = stage('amd-rdna3-desktop');
    configure(on, 'config.yaml', '');
    run(['init', '-', ...on.option], { input: radeon.xml });
    const [hint] = lintAdvice(on, radeon);
    assert.match(hint?.text ?? '', /^take the "# " away from lines \d+ and \d+ of \S+: bars: 2: 8MiB$/);
  });
});
