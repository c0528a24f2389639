import * as v from 'valibot';
import { closed, expected } from '../forms.ts';

/** Modules of the kernel around guests. */
export const modules = v.pipe(
  closed({
    nvidia: v.exactOptional(
      v.pipe(
        v.picklist(['auto', 'keep', 'unload'], expected('auto, keep or unload')),
        v.description(
          'Modules of NVIDIA’s driver, for a guest that is given every card on it: auto unloads nvidia_drm where it keeps cards open by itself, unload all of them, keep none.',
        ),
      ),
    ),
    unload: v.exactOptional(
      v.pipe(
        v.boolean(expected('true or false')),
        v.description(
          'Only in config.yaml: whether the modules of VFIO are unloaded when the last guest has given its devices back and nothing else uses them.',
        ),
      ),
    ),
  }),
  v.description('Modules of the kernel around a guest.'),
);
