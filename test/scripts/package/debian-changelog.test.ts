import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { debianChangelog } from '../../../scripts/package/debian-changelog.ts';
import { repository } from '../../hook/compiled.ts';
import { DATE } from '../../package/packages.ts';

const WHO = 'Somebody <somebody@example.org>';

describe('the changelog of the package for Debian', () => {
  it('has a paragraph for each version, with the first sentence of each point', () => {
    const markdown = `# Changelog

Words before.

## [1.2.0] - unreleased

### Added

- A *thing* that is \`new\` ([docs/new.md](docs/new.md)). And more
  that is not said here.
- Something with so many words that they do not fit into one line of seventy-eight columns: and what comes behind.

## [1.1.0] - 2026-03-01

Nothing in points.
`;
    assert.equal(
      debianChangelog(markdown, WHO, DATE),
      `vfio-hook (1.2.0) unstable; urgency=medium

  * A thing that is new (docs/new.md).
  * Something with so many words that they do not fit into one line of
    seventy-eight columns.

 -- ${WHO}  Thu, 01 Jan 2026 00:00:00 +0000

vfio-hook (1.1.0) unstable; urgency=medium

  * See CHANGELOG.md.

 -- ${WHO}  Sun, 01 Mar 2026 00:00:00 +0000
`,
    );
  });

  it('is made of ours, whose first version is that of the program', () => {
    const { version } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as {
      readonly version: string;
    };
    const text = debianChangelog(readFileSync(join(repository, 'CHANGELOG.md'), 'utf8'), WHO, DATE);
    assert.ok(text.startsWith(`vfio-hook (${version}) unstable; urgency=medium\n`), text.slice(0, 80));
    for (const line of text.split('\n')) assert.ok(line.length <= 80, line);
  });

  it('needs a version', () => {
    assert.throws(() => debianChangelog('# Changelog\n', WHO, DATE), /CHANGELOG\.md has no version/);
  });
});
