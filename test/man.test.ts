import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { manualPages } from '../scripts/man.ts';
import { roffText } from '../scripts/roff.ts';
import { commands } from '../src/cli/commands/index.ts';

const repository = fileURLToPath(new URL('..', import.meta.url));
const pages = await manualPages();

describe('the manual pages', () => {
  for (const [file, text] of Object.entries(pages)) {
    it(`are in step with the help and the schema (npm run build): ${file}`, () => {
      assert.equal(readFileSync(`${repository}${file}`, 'utf8'), text);
    });

    it(`are plain ASCII, and no line of text is a request: ${file}`, () => {
      assert.match(text, /^[\n -~]*$/);
      for (const line of text.split('\n').filter((each) => each.startsWith('.')))
        assert.match(line, /^\.(?:\\"|TH|SH|SS|PP|TP|BR|br|in|nf|fi)/);
    });

    it(`are understood by groff without a warning (skipped without it): ${file}`, function () {
      const { error, status, stderr } = spawnSync(
        'groff',
        ['-ww', '-man', '-Tutf8', `${repository}${file}`],
        {
          encoding: 'utf8',
        },
      );
      if (error) this.skip();
      assert.deepEqual([status, stderr], [0, '']);
    });
  }

  it('have every sub-command with its examples', () => {
    const page = pages['man/vfio-hook.8'] ?? '';
    for (const { name, examples } of commands) {
      assert.ok(page.includes(`.SS "${roffText(name)}`), name);
      for (const example of examples) assert.ok(page.includes(roffText(example)), example);
    }
  });

  it('have every key of a configuration', () => {
    const page = pages['man/vfio-hook.yaml.5'] ?? '';
    for (const key of ['timeouts.kernelWrite', 'devices[].match', 'devices[].bars.N', 'log.level'])
      assert.ok(page.includes(`.TP\n\\fB${roffText(key)}\\fR`), key);
  });
});

describe('roffText', () => {
  for (const [what, text, roff] of [
    ['a request', '.so /etc/passwd', '\\&.so /etc/passwd'],
    ['a request on a later line', 'a\n.so b', 'a\n\\&.so b'],
    ['an escape', 'a\\fB', 'a\\efB'],
    ['an apostrophe, which can begin a request', "'so b", '\\(aqso b'],
    ['a minus', '--json', '\\-\\-json'],
    ['what is not ASCII', 'a… 😀', 'a\\[u2026] \\[u1F600]'],
  ] as const) {
    it(`makes text of ${what}`, () => {
      assert.equal(roffText(text), roff);
    });
  }
});
