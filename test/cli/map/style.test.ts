import assert from 'node:assert/strict';
import { drawingStyle, groupColours } from '../../../src/cli/map/style.ts';

/** Relative luminance and contrast as WCAG 2.1 defines them. */
function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const value = parseInt(colour.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(a: string, b: string): number {
  const [high = 0, low = 0] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
}

/** The values of a variable: light, then dark. */
function values(name: string): readonly string[] {
  return [...drawingStyle.matchAll(new RegExp(`--${name}: (#[0-9a-f]{6});`, 'g'))].map(
    ([, value = '']) => value,
  );
}

describe('the colours of the map', () => {
  it('has light and dark ones', () => {
    for (const name of ['box', 'ink', 'soft', 'possible', 'held', 'refused'])
      assert.equal(values(name).length, 2, name);
  });

  for (const [index, scheme] of ['light', 'dark'].entries()) {
    it(`${scheme}: text has a contrast of 4.5:1 to what it stands on`, () => {
      for (const ground of ['box', 'frame', 'ground']) {
        for (const ink of ['ink', 'soft', 'possible', 'held', 'refused']) {
          const ratio = contrast(values(ink)[index]!, values(ground)[index]!);
          assert.ok(ratio >= 4.5, `${ink} on ${ground}: ${ratio.toFixed(2)}`);
        }
      }
    });

    it(`${scheme}: the colour of a group has 3:1`, () => {
      for (const colour of groupColours) {
        const ratio = contrast(colour, values('box')[index]!);
        assert.ok(ratio >= 3, `${colour}: ${ratio.toFixed(2)}`);
      }
    });
  }
});
