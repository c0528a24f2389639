import { openSync, read, writeSync } from 'node:fs';
import { constants } from 'node:os';
import {
  foundEntry,
  initialised,
  nameIn,
  opened,
  operations,
  parseRequest,
  rangeIn,
  reply,
  shownAttributes,
  writtenIn,
  written,
  type FileAttributes,
  type Request,
} from './fuse-messages.ts';

/** A file whose reads and writes are answered here. */
export interface ServedFile {
  /** Permission bits. */
  readonly mode: number;
  read(): string;
  /** One write(2); resolves, when it returns, to the errno's name or nothing. */
  write(data: string): Promise<string | undefined>;
}

const NOTHING = Buffer.alloc(0);
const ROOT = 1;
const { S_IFDIR, S_IFREG } = { S_IFDIR: 0o040000, S_IFREG: 0o100000 };
/** Number of the first file; below are those that FUSE keeps for itself. */
const FIRST = 2;

/**
 * Serves files over FUSE, named by their index in the list, in a directory that the caller mounts with the descriptor
 * that it gets. Answers until the file system is unmounted. Whoever looks a file up gets another inode than everybody
 * else: FUSE has a lock for each, which an open with O_TRUNC waits for while a write is under way; sysfs has none.
 */
export function serveFiles(files: readonly ServedFile[]): {
  readonly fd: number;
  readonly serve: () => void;
} {
  const fd = openSync('/dev/fuse', 'r+');
  const found: ServedFile[] = [];
  const attributes = (file: number): FileAttributes =>
    file === ROOT
      ? { file, mode: S_IFDIR | 0o755 }
      : { file, mode: S_IFREG | (found[file - FIRST]?.mode ?? 0) };
  const answer = (request: Request, body: Buffer, errno?: number): void => {
    writeSync(fd, reply(request.unique, body, errno));
  };
  const handle = async (request: Request): Promise<void> => {
    const file = found[request.file - FIRST];
    switch (request.operation) {
      case operations.initialise:
        answer(request, initialised());
        return;
      case operations.lookup: {
        const named = files[Number(nameIn(request.body))];
        if (named) answer(request, foundEntry(attributes(found.push(named) - 1 + FIRST)));
        else answer(request, NOTHING, constants.errno.ENOENT);
        return;
      }
      case operations.getAttributes:
      case operations.setAttributes:
        answer(request, shownAttributes(attributes(request.file)));
        return;
      case operations.open:
        answer(request, opened());
        return;
      case operations.read: {
        const { offset, size } = rangeIn(request.body);
        answer(request, Buffer.from(file?.read() ?? '').subarray(offset, offset + size));
        return;
      }
      case operations.write: {
        // The buffer of the request is used for the next one meanwhile.
        const data = writtenIn(request.body).toString();
        const errno = await file?.write(data);
        if (errno === undefined) answer(request, written(Buffer.byteLength(data)));
        else answer(request, NOTHING, numberOf(errno));
        return;
      }
      case operations.release:
        answer(request, NOTHING);
        return;
      case operations.forget:
      case operations.forgetMany:
      case operations.interrupt:
        return;
      default:
        answer(request, NOTHING, constants.errno.ENOSYS);
    }
  };
  const buffer = Buffer.alloc(1 << 17);
  const next = (): void => {
    read(fd, buffer, 0, buffer.length, null, (error, length) => {
      // ENODEV: it was unmounted.
      if (error) return;
      void handle(parseRequest(buffer.subarray(0, length)));
      next();
    });
  };
  return { fd, serve: next };
}

function numberOf(errno: string): number {
  return Object.entries(constants.errno).find(([name]) => name === errno)?.[1] ?? constants.errno.EIO;
}
