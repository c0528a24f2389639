import assert from 'node:assert/strict';
import { jsonText } from '../../src/cli/json.ts';

describe('jsonText', () => {
  it('is the value, indented', () => {
    assert.equal(jsonText([{ a: 1 }]), '[\n  {\n    "a": 1\n  }\n]');
  });

  it('has no character that could drive a terminal, and is still the same value', () => {
    const hostile = '\u001b[2J \u007f \u009b31m \u202e \u2028 \ufeff \ud800 ü';
    const text = jsonText({ name: hostile });
    // eslint-disable-next-line no-control-regex -- what it must not hold
    assert.doesNotMatch(text, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u202e\ufeff]|\p{Surrogate}/u);
    assert.deepEqual(JSON.parse(text), { name: hostile });
  });
});
