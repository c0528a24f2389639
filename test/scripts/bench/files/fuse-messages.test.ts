import assert from 'node:assert/strict';
import {
  nameIn,
  parseRequest,
  rangeIn,
  reply,
  writtenIn,
} from '../../../../scripts/bench/files/fuse-messages.ts';

/** A request as the kernel sends it: the header of 40 bytes, then the body. */
function request(operation: number, body: Buffer): Buffer {
  const header = Buffer.alloc(40);
  header.writeUInt32LE(40 + body.length, 0);
  header.writeUInt32LE(operation, 4);
  header.writeBigUInt64LE(77n, 8);
  header.writeBigUInt64LE(5n, 16);
  return Buffer.concat([header, body, Buffer.from('left over from the last request')]);
}

describe('messages of FUSE', () => {
  it('takes a write apart', () => {
    const data = Buffer.from('0000:03:00.0\n');
    const body = Buffer.alloc(40);
    body.writeUInt32LE(data.length, 16);
    const { operation, unique, file, body: read } = parseRequest(request(16, Buffer.concat([body, data])));
    assert.deepEqual({ operation, unique, file }, { operation: 16, unique: 77n, file: 5 });
    assert.equal(writtenIn(read).toString(), '0000:03:00.0\n');
  });

  it('takes a read and a look-up apart', () => {
    const body = Buffer.alloc(40);
    body.writeBigUInt64LE(3n, 8);
    body.writeUInt32LE(4096, 16);
    assert.deepEqual(rangeIn(parseRequest(request(15, body)).body), { offset: 3, size: 4096 });
    assert.equal(nameIn(parseRequest(request(1, Buffer.from('12\0'))).body), '12');
  });

  it('answers with a length, an errno below zero, and nothing behind an errno', () => {
    const good = reply(77n, Buffer.from('text'));
    assert.deepEqual([good.readUInt32LE(0), good.readInt32LE(4), good.readBigUInt64LE(8)], [20, 0, 77n]);
    assert.equal(good.subarray(16).toString(), 'text');
    const bad = reply(77n, Buffer.from('text'), 19);
    assert.deepEqual([bad.length, bad.readUInt32LE(0), bad.readInt32LE(4)], [16, 16, -19]);
  });
});
