import assert from 'node:assert/strict';
import { outlineXml } from '../../src/domain/outline.ts';
import { VfioHookError } from '../../src/errors.ts';
import { refuse } from '../../src/domain/refuse.ts';
import { refusalOf } from './documents.ts';

describe('refuse', () => {
  it('throws one sentence with a code and keeps the cause', () => {
    const cause = new Error('inner');
    assert.throws(
      () => refuse('it is empty', cause),
      (error) =>
        error instanceof VfioHookError &&
        error.code === 'VH_XML' &&
        error.message === 'cannot read the domain XML: it is empty' &&
        error.cause === cause,
    );
  });

  it('shows no character that a terminal acts on, and no more than a few lines of it', () => {
    assert.equal(
      refusalOf(() => outlineXml('<a\u200f></b>')),
      'found </b>, expected </a\\u{200f}> (line 1)',
    );
    assert.ok(refusalOf(() => outlineXml(`<${'a'.repeat(100_000)}>`)).length < 700);
  });
});
