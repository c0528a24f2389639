/** Columns of a line. */
const WIDTH = 78;

/**
 * CHANGELOG.md, whose form is that of Keep a Changelog, as a changelog of Debian (deb-changelog(5)): a paragraph for each version,
 * with the first sentence of each point. A version without a date gets that of the package.
 *
 * @throws Error when there is no version in it
 */
export function debianChangelog(markdown: string, maintainer: string, epoch: number): string {
  const [, ...sections] = markdown.split(/^## (?=\[)/m);
  if (sections.length === 0) throw new Error('CHANGELOG.md has no version');
  return sections.map((section) => paragraph(section, maintainer, epoch)).join('\n');
}

function paragraph(section: string, maintainer: string, epoch: number): string {
  const [, version = '', date = ''] = /^\[([^\]]+)\] - (\S+)/.exec(section) ?? [];
  if (version === '')
    throw new Error(`CHANGELOG.md: no version and date in "${section.split('\n')[0] ?? ''}"`);
  const at = /^\d{4}-\d\d-\d\d$/.test(date) ? new Date(`${date}T00:00:00Z`) : new Date(epoch * 1000);
  const points = [...section.matchAll(/^- (.*(?:\n {2}.*)*)/gm)].map(([, text = '']) => point(text));
  const changes = points.length === 0 ? ['  * See CHANGELOG.md.'] : points;
  return [
    `vfio-hook (${version}) unstable; urgency=medium`,
    '',
    ...changes,
    '',
    ` -- ${maintainer}  ${at.toUTCString().replace('GMT', '+0000')}`,
    '',
  ].join('\n');
}

/** The first sentence, without what Markdown adds. */
function point(markdown: string): string {
  const text = markdown
    .replace(/\s+/g, ' ')
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/[`*]/g, '');
  const [sentence = text] = /^.*?[.:](?= |$)/.exec(text) ?? [];
  return wrap(sentence.replace(/:$/, '.'));
}

function wrap(text: string): string {
  const lines: string[] = [];
  let line = '  *';
  for (const word of text.split(' ')) {
    if (line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = `    ${word}`;
    } else line += ` ${word}`;
  }
  return [...lines, line].join('\n');
}
