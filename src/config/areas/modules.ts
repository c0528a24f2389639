import * as v from 'valibot';
import { closed, expected, read } from '../forms.ts';

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
    load: v.exactOptional(
      v.pipe(
        v.array(
          read({
            what: 'no module',
            write: 'letters, digits, "_" and "-", at most 64 of them',
            pattern: /^[A-Za-z0-9_-]{1,64}$/,
            reader: (text) => (text.startsWith('-') ? undefined : text.replaceAll('-', '_')),
            description: 'Name of the module.',
          }),
          expected('a list (each entry begins with "-")'),
        ),
        v.description(
          'Modules that are loaded before the guest starts, such as kvmfr. They stay loaded: another guest may need them.',
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
