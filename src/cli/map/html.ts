import { count } from '../../count.ts';
import { hintText } from '../../hint.ts';
import { escapeMarkup } from './escape.ts';
import type { MapGroup, MapModel } from './model.ts';
import { drawMap } from './svg.ts';

/** A page with the drawing, a legend, and the groups as a table, which says the same in words. One file, no script. */
export function mapPage(model: MapModel): string {
  const shown = model.groups.filter(({ coloured }) => coloured);
  const others = model.groups.filter(({ coloured }) => !coloured);
  return [
    '<!DOCTYPE html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<meta name="color-scheme" content="light dark">',
    `<title>${escapeMarkup(model.title)}</title>`,
    `<style>${STYLE}</style>`,
    '</head>',
    '<body>',
    `<h1>${escapeMarkup(model.title)}</h1>`,
    `<p class="subtitle">${escapeMarkup(model.subtitle)}</p>`,
    `<figure>${drawMap(model, { standalone: false })}`,
    `<figcaption>${LEGEND}</figcaption></figure>`,
    '<h2>IOMMU groups</h2>',
    '<table>',
    '<thead><tr><th scope="col">Group</th><th scope="col">Devices</th><th scope="col">For a guest</th></tr></thead>',
    '<tbody>',
    ...shown.map(rowOf),
    '</tbody>',
    '</table>',
    ...(others.length > 0
      ? [
          `<p>${count(others.length, 'more group has', 'more groups have')} only bridges and parts of the chipset: ${others.map(({ number }) => number).join(', ')}.</p>`,
        ]
      : []),
    ...model.notes.map((note) => `<p class="note">${escapeMarkup(sentence(note))}</p>`),
    '</body>',
    '</html>',
    '',
  ].join('\n');
}

function rowOf({ number, members, state, verdict, reasons, hints }: MapGroup): string {
  const list = [...reasons, ...hints.map((hint) => `What to do: ${hintText(hint)}`)];
  const items = list.map((item) => `<li>${escapeMarkup(item)}</li>`).join('');
  return [
    `<tr><th scope="row">${number}</th>`,
    `<td>${members.map(({ address, name }) => `<code>${escapeMarkup(address)}</code> ${escapeMarkup(name)}`).join('<br>')}</td>`,
    `<td><span class="${state}">${SIGNS[state]} ${escapeMarkup(verdict)}</span>${items === '' ? '' : `<ul>${items}</ul>`}</td></tr>`,
  ].join('');
}

const SIGNS: Readonly<Record<MapGroup['state'], string>> = {
  possible: '✓',
  refused: '✗',
  held: '●',
  unknown: '?',
  nothing: '–',
  none: '–',
};

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

const LEGEND = [
  'The number and its colour are the IOMMU group, the unit that a guest is given; grey: bridges and parts of the chipset only.',
  '<span class="possible">✓</span> a guest can be given the whole group;',
  '<span class="refused">✗</span> it cannot, the table says why;',
  '<span class="held">●</span> who has it.',
  'x16 and GT/s are lanes and speed of the link now; an idle card often lowers its speed.',
  'Point at a box for all that is known about it.',
].join(' ');

const STYLE = `
:root { color-scheme: light dark; --ground: #f6f7f9; --ink: #16191d; --soft: #565f6b; --edge: #c6ccd4;
  --possible: #1a7f4b; --held: #9a6200; --refused: #c62f3a; }
@media (prefers-color-scheme: dark) { :root { --ground: #15181c; --ink: #e8ebef; --soft: #a4aeba; --edge: #3b434e;
  --possible: #4fc38a; --held: #e0a63c; --refused: #ff7a80; } }
body { margin: 24px 16px; background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { font-size: 22px; margin: 0; } h2 { font-size: 18px; margin: 24px 0 8px; }
h1, h2, p, table { margin-left: 16px; }
.subtitle, figcaption, .note { color: var(--soft); }
.subtitle { margin-top: 0; } .note, figcaption { max-width: 72em; }
figure { margin: 0; overflow-x: auto; } figcaption { margin: 4px 16px; }
table { border-collapse: collapse; } th, td { text-align: left; vertical-align: top; padding: 6px 20px 6px 0; border-top: 1px solid var(--edge); }
td { overflow-wrap: anywhere; }
thead th { border-top: 0; color: var(--soft); font-weight: 600; }
ul { margin: 2px 0 0; padding-left: 18px; } code { font: 13px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
.possible { color: var(--possible); } .held { color: var(--held); } .refused { color: var(--refused); }
`.trim();
