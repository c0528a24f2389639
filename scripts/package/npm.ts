import { join } from 'node:path';
import { run, type Format } from './release.ts';

/** `vfio-hook-VERSION.tgz`, as `npm publish` would send it: npm dates every file 1985-10-26. */
export const npm: Format = ({ out }) => {
  const home = process.env['HOME'];
  const said = run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', out], {
    ...(home !== undefined && { HOME: home }),
  });
  const [packed] = JSON.parse(said) as readonly { readonly filename: string }[];
  if (packed === undefined) throw new Error('npm pack made nothing');
  return [join(out, packed.filename)];
};
