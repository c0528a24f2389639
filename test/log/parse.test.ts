import assert from 'node:assert/strict';
import fc from 'fast-check';
import { logLine } from '../../src/log/line.ts';
import { parseFileLine, parseLogLine } from '../../src/log/parse.ts';
import { escapeControl } from '../../src/text.ts';

describe('parseLogLine', () => {
  it('reads back every field of what logLine writes', () => {
    const text = fc.string({ maxLength: 60, unit: 'binary' });
    fc.assert(
      fc.property(
        fc.record(
          {
            message: fc.constantFrom('step', 'cannot open "a b": ENOENT', 'x=1 guest', ''),
            guest: text,
            owner: text,
            device: text,
            step: text,
            result: text,
            durationMs: fc.nat(),
          },
          { requiredKeys: ['message'] },
        ),
        (entry) => {
          const { durationMs, ...fields } = entry;
          const line = logLine({ severity: 'info', ...entry });
          fc.pre(!line.endsWith('…'));
          assert.deepEqual(parseLogLine(line), {
            ...fields,
            ...(durationMs !== undefined && { ms: durationMs }),
          });
        },
      ),
    );
  });

  const rows: Readonly<Record<string, readonly [line: string, expected: ReturnType<typeof parseLogLine>]>> = {
    'a message that ends like a field': [
      'the guest said guest=other step=x guest=win11 result=held',
      { message: 'the guest said guest=other step=x', guest: 'win11', result: 'held' },
    ],
    'fields in another order are message': ['x ms=3 guest=a', { message: 'x ms=3', guest: 'a' }],
    'what is for no guest': [
      'step owner=detach device=0000:01:00.0 result=done ms=3',
      { message: 'step', owner: 'detach', device: '0000:01:00.0', result: 'done', ms: 3 },
    ],
    'no field': ['logger was here', { message: 'logger was here' }],
    nothing: ['', { message: '' }],
    'a quotation mark that nothing closes': ['x guest="a', { message: 'x guest="a' }],
  };
  for (const [title, [line, expected]] of Object.entries(rows)) {
    it(title, () => {
      assert.deepEqual(parseLogLine(line), expected);
    });
  }

  it('keeps the message of a line that was cut, and gives up on endless ones', () => {
    const cut = logLine({ severity: 'err', message: 'm'.repeat(2000), guest: 'a' });
    assert.deepEqual(parseLogLine(cut), { message: cut });
    const endless = ` guest="${'\\"'.repeat(500_000)}`;
    assert.deepEqual(parseLogLine(endless), { message: endless });
  });

  it('text that is no character of Unicode stays as it is', () => {
    assert.equal(parseLogLine('x guest="\\u{ffffff}"').guest, '\\u{ffffff}');
    assert.equal(parseLogLine(`x guest="${escapeControl('a\u009b')}"`).guest, 'a\u009b');
  });
});

describe('parseFileLine', () => {
  it('takes time and severity off', () => {
    assert.deepEqual(parseFileLine('2026-11-20T10:00:00.000Z warning left alone guest=a'), {
      time: '2026-11-20T10:00:00.000Z',
      severity: 'warning',
      line: 'left alone guest=a',
    });
  });
  for (const line of ['', 'warning x', '2026-11-20T10:00:00.000Z loud x', 'yesterday info x']) {
    it(`refuses ${JSON.stringify(line)}`, () => {
      assert.equal(parseFileLine(line), undefined);
    });
  }
});
