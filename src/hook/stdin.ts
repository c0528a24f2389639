import { readSync } from 'node:fs';
import { errnoOf, VfioHookError } from '../errors.ts';
import { pause } from '../pause.ts';
import { decodeUtf8 } from '../utf8.ts';

/** Bytes of XML that are read at most: a usual guest has a few thousand. The launcher passes one byte more. */
export const MOST_BYTES = 16 * 2 ** 20;

/** How long an input may be silent that was opened without blocking, and how often it is asked. */
const SILENCE_MS = 10_000;
const ASK_EVERY_MS = 5;

/**
 * Everything on standard input, as text.
 * Throws VH_XML when there is more than 16 MiB, when it is no UTF-8, or when it stays silent for 10 s.
 */
export function readStdin(fd = 0): string {
  const chunks: Buffer[] = [];
  let length = 0;
  let silent = 0;
  for (;;) {
    const chunk = Buffer.allocUnsafe(65_536);
    const count = readChunk(fd, chunk);
    if (count === 0) break;
    if (count === undefined) {
      silent += ASK_EVERY_MS;
      if (silent > SILENCE_MS)
        throw new VfioHookError('VH_XML', 'cannot read the domain XML: standard input stays silent');
      pause(ASK_EVERY_MS);
      continue;
    }
    silent = 0;
    length += count;
    if (length > MOST_BYTES) {
      throw new VfioHookError('VH_XML', 'cannot read the domain XML: it is larger than 16 MiB');
    }
    chunks.push(chunk.subarray(0, count));
  }
  const text = decodeUtf8(Buffer.concat(chunks));
  if (text === undefined) throw new VfioHookError('VH_XML', 'cannot read the domain XML: it is not UTF-8');
  return text;
}

/** Bytes read, 0 at the end; undefined when a pipe that does not block has nothing just now. */
function readChunk(fd: number, chunk: Buffer): number | undefined {
  try {
    return readSync(fd, chunk, 0, chunk.length, null);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'EOF') return 0;
    if (errno === 'EAGAIN') return undefined;
    throw new VfioHookError('VH_XML', `cannot read the domain XML: ${errno ?? String(error)}`, {
      ...(errno !== undefined && { errno }),
      cause: error,
    });
  }
}
