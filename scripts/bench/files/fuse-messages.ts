/**
 * The few messages of the FUSE protocol (include/uapi/linux/fuse.h) that files without directories need, for
 * little-endian processors.
 */

/** What the kernel asks for. */
export const operations = {
  lookup: 1,
  forget: 2,
  getAttributes: 3,
  setAttributes: 4,
  open: 14,
  read: 15,
  write: 16,
  release: 18,
  initialise: 26,
  interrupt: 36,
  forgetMany: 42,
} as const;

/** One request of the kernel. */
export interface Request {
  readonly operation: number;
  readonly unique: bigint;
  /** The file that it is about; 1 is the root. */
  readonly file: number;
  /** What follows the header. */
  readonly body: Buffer;
}

const REQUEST_HEADER = 40;
const REPLY_HEADER = 16;

/** Takes a request apart. */
export function parseRequest(message: Buffer): Request {
  return {
    operation: message.readUInt32LE(4),
    unique: message.readBigUInt64LE(8),
    file: Number(message.readBigUInt64LE(16)),
    body: message.subarray(REQUEST_HEADER, message.readUInt32LE(0)),
  };
}

/** The answer to a request; `errno` is a positive number, and then nothing follows. */
export function reply(unique: bigint, body: Buffer, errno = 0): Buffer {
  const header = Buffer.alloc(REPLY_HEADER);
  header.writeUInt32LE(REPLY_HEADER + (errno === 0 ? body.length : 0), 0);
  header.writeInt32LE(-errno, 4);
  header.writeBigUInt64LE(unique, 8);
  return errno === 0 ? Buffer.concat([header, body]) : header;
}

/** The name in a look-up. */
export function nameIn(body: Buffer): string {
  return body.subarray(0, body.indexOf(0)).toString();
}

/** The bytes in a write (struct fuse_write_in). */
export function writtenIn(body: Buffer): Buffer {
  return body.subarray(40, 40 + body.readUInt32LE(16));
}

/** Where a read begins and how many bytes it asks for (struct fuse_read_in). */
export function rangeIn(body: Buffer): { readonly offset: number; readonly size: number } {
  return { offset: Number(body.readBigUInt64LE(8)), size: body.readUInt32LE(16) };
}

const PROTOCOL = { major: 7, minor: 31 };
/** FUSE_ATOMIC_O_TRUNC: the shell's > comes as an open, and not as a change of size before it. */
const ATOMIC_TRUNCATION = 1 << 3;

/** The protocol that is spoken (struct fuse_init_out). */
export function initialised(): Buffer {
  const body = Buffer.alloc(64);
  body.writeUInt32LE(PROTOCOL.major, 0);
  body.writeUInt32LE(PROTOCOL.minor, 4);
  body.writeUInt32LE(ATOMIC_TRUNCATION, 12);
  body.writeUInt16LE(64, 16);
  body.writeUInt16LE(64, 18);
  body.writeUInt32LE(4096, 20);
  body.writeUInt32LE(1, 24);
  return body;
}

/** What stat(2) shows of a file. */
export interface FileAttributes {
  readonly file: number;
  /** With the kind of file. */
  readonly mode: number;
}

const FOR_EVER = 1_000_000_000n;
/** sysfs says so of every attribute. It also lets FUSE write side by side, since no write makes the file longer. */
const SIZE = 4096n;

function attributes({ file, mode }: FileAttributes): Buffer {
  const body = Buffer.alloc(88);
  body.writeBigUInt64LE(BigInt(file), 0);
  body.writeBigUInt64LE(SIZE, 8);
  body.writeUInt32LE(mode, 60);
  body.writeUInt32LE(1, 64);
  body.writeUInt32LE(4096, 80);
  return body;
}

/** struct fuse_entry_out: of the name, nothing is kept. */
export function foundEntry(of: FileAttributes): Buffer {
  const body = Buffer.alloc(40);
  body.writeBigUInt64LE(BigInt(of.file), 0);
  body.writeBigUInt64LE(FOR_EVER, 24);
  return Buffer.concat([body, attributes(of)]);
}

/** struct fuse_attr_out. */
export function shownAttributes(of: FileAttributes): Buffer {
  const body = Buffer.alloc(16);
  body.writeBigUInt64LE(FOR_EVER, 0);
  return Buffer.concat([body, attributes(of)]);
}

/** FOPEN_DIRECT_IO, FOPEN_NOFLUSH, FOPEN_PARALLEL_DIRECT_WRITES. */
const OPENED = (1 << 0) | (1 << 5) | (1 << 6);

/** struct fuse_open_out: every read and write comes here, and writes do not wait for each other. */
export function opened(): Buffer {
  const body = Buffer.alloc(16);
  body.writeUInt32LE(OPENED, 8);
  return body;
}

/** struct fuse_write_out. */
export function written(bytes: number): Buffer {
  const body = Buffer.alloc(8);
  body.writeUInt32LE(bytes, 0);
  return body;
}
