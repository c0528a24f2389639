import { replaceFile } from '../../../src/engine/durable.ts';
import { VfioHookError } from '../../../src/errors.ts';

/** Replaces a file (argument 1) by 100000 bytes and says on stdout what comes of it. */
try {
  replaceFile(process.argv[2] ?? '', 'x'.repeat(100_000));
  process.stdout.write('written\n');
} catch (error) {
  process.stdout.write(
    error instanceof VfioHookError ? `${error.code} ${error.errno ?? ''}\n` : String(error),
  );
}
