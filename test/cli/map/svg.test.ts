import assert from 'node:assert/strict';
import { XMLParser } from 'fast-xml-parser';
import fc from 'fast-check';
import { columnsOf } from '../../../src/cli/render/fit.ts';
import { mapPage } from '../../../src/cli/map/html.ts';
import type { MapModel } from '../../../src/cli/map/model.ts';
import { drawMap } from '../../../src/cli/map/svg.ts';
import { advice } from '../../../src/hint.ts';
import { at } from '../../plan/snapshots.ts';
import { isWellFormed } from './well-formed.ts';
import { forests, plainFunction } from './forest.ts';

const numRuns = Number(process.env['FC_RUNS'] ?? 100);

function model(facts: Partial<MapModel>): MapModel {
  return { title: 'Map', subtitle: 'Linux', roots: [], groups: [], notes: [], ...facts };
}

/** Everything in it that comes from outside is this text. */
function hostile(text: string): MapModel {
  return model({
    subtitle: text,
    notes: [text],
    roots: [
      {
        bus: text,
        folded: text,
        children: [
          {
            kind: 'bridge',
            address: at('00:01.0'),
            function: plainFunction({ name: text, facts: [text], description: [text] }),
            children: [
              {
                kind: 'card',
                address: at('01:00.0'),
                functions: (['possible', 'held', 'refused', 'nothing', 'none'] as const).map((state) =>
                  plainFunction({ name: text, facts: [text], stateWord: text, description: [text], state }),
                ),
              },
            ],
          },
        ],
      },
    ],
    groups: [
      {
        number: 1,
        coloured: true,
        state: 'refused',
        verdict: text,
        members: [{ address: text, name: text }],
        reasons: [text],
        hints: [advice(text)],
      },
    ],
  });
}

/** Names of the elements and attributes of a document, each once. */
function namesIn(markup: string): readonly string[] {
  const names = new Set<string>();
  const walk = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const [key, inner] of Object.entries(value)) {
      if (!Array.isArray(value)) names.add(key);
      walk(inner);
    }
  };
  walk(new XMLParser({ ignoreAttributes: false }).parse(markup));
  return [...names].sort();
}

describe('drawMap', () => {
  it('is well-formed, and no name from outside adds an element or an attribute', () => {
    const plain = namesIn(drawMap(hostile('x'), { standalone: true }));
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.constantFrom('</title><script>', '" onload="x', ']]>', '<!--', '&x;'),
        ),
        (text) => {
          const drawn = drawMap(hostile(text), { standalone: true });
          isWellFormed(drawn);
          assert.deepEqual(namesIn(drawn), plain);
        },
      ),
      { numRuns },
    );
  });

  it('has a title and a text for whoever cannot see it', () => {
    const drawn = drawMap(hostile('x'), { standalone: true });
    assert.match(drawn, /role="img" aria-labelledby="map-title map-text"/);
    assert.match(drawn, /<title id="map-title">Map<\/title>/);
    assert.match(drawn, /<desc id="map-text">x\. IOMMU group 1 \(x\): x\.<\/desc>/);
  });

  it('needs nothing but itself', () => {
    for (const text of [drawMap(hostile('x'), { standalone: true }), mapPage(hostile('x'))]) {
      assert.doesNotMatch(text, /<script|<link|<img|@import|url\(|href|src=|\bon\w+=/i);
      assert.deepEqual([...new Set(text.match(/https?:[^"]*/g))], ['http://www.w3.org/2000/svg']);
    }
  });

  it('draws any host', () => {
    fc.assert(
      fc.property(forests, (roots) => {
        isWellFormed(drawMap(model({ roots }), { standalone: true }));
      }),
      { numRuns },
    );
  });

  it('fits a window that is narrower, whole', () => {
    fc.assert(
      fc.property(forests, (roots) => {
        const drawn = drawMap(model({ roots }), { standalone: true });
        const { width, height } =
          /<svg [^>]* width="(?<width>\d+)" height="(?<height>\d+)"/.exec(drawn)?.groups ?? {};
        assert.ok(drawn.includes(` viewBox="0 0 ${width} ${height}"`));
        assert.match(drawn, /^svg\.map \{ max-width: 100%; height: auto; \}$/m);
      }),
      { numRuns },
    );
  });

  for (const [title, text] of Object.entries({
    long: 'W'.repeat(200),
    wide: '\u65e5'.repeat(200),
    short: 'x',
  })) {
    it(`no name touches the mark beside it: ${title}`, () => {
      const rows = drawMap(hostile(text), { standalone: false }).split('<g><title>').slice(1);
      const marked = rows.flatMap((row) => {
        const name = /<text class="name" x="(\d+)"[^>]*>([^<]*)</.exec(row);
        const mark = /<(?:path class="mark \w+" d="M|circle class="held" cx=")([\d.]+)/.exec(row);
        // 13 px bold letters are 8.2 px wide on average (src/cli/map/svg.ts).
        return name && mark ? [Number(mark[1]) - Number(name[1]) - columnsOf(name[2] ?? '') * 8.2] : [];
      });
      assert.equal(marked.length, 3);
      for (const room of marked) assert.ok(room >= 8, `${Math.round(room)} px`);
    });
  }

  it('says the number of a group where it shows its colour', () => {
    const drawn = drawMap(hostile('x'), { standalone: false });
    const colours = [...drawn.matchAll(/<rect fill="#[0-9a-f]{6}"[^>]* rx="11"/g)].length;
    const numbers = [...drawn.matchAll(/<text class="number"[^>]*>1<\/text>/g)].length;
    assert.deepEqual([colours, numbers], [6, 6]);
  });
});

describe('mapPage', () => {
  it('shows how to switch the IOMMU on', () => {
    assert.match(mapPage(model({ notes: ['turn it on'] })), /<p class="note">Turn it on\.<\/p>/);
  });

  it('has nothing that is wider than its window', () => {
    const page = mapPage(hostile('W'.repeat(200)));
    assert.match(page, /<meta name="viewport" content="width=device-width, initial-scale=1">/);
    assert.match(page, /^svg\.map \{ max-width: 100%; height: auto; \}$/m);
    assert.match(page, /^td \{ overflow-wrap: anywhere; \}$/m);
    // Nothing has a width in pixels but the drawing, which may be smaller.
    assert.doesNotMatch(page.replace(/<svg[^]*?<\/svg>/, ''), /(?<!max-)\bwidth: *\d/);
  });

  it('says in its table all that the drawing says', () => {
    const page = mapPage(hostile('<b>'));
    assert.doesNotMatch(page, /<b>/);
    assert.match(page, /<th scope="row">1<\/th><td><code>&lt;b&gt;<\/code> &lt;b&gt;<\/td>/);
    assert.match(page, /✗ &lt;b&gt;<\/span><ul><li>&lt;b&gt;<\/li><li>What to do: &lt;b&gt;<\/li><\/ul>/);
  });
});
