import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The directory test/lab, where the lab's own files are. */
export const labSource = fileURLToPath(new URL('..', import.meta.url));

/** The repository. */
export const repository = path.join(labSource, '..', '..');
