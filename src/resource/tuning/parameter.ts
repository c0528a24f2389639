import { BACK_END, UNSAFE_INTERRUPTS } from '../../pci/vfio-state.ts';
import type { KindOf, Wish } from '../kind.ts';

/**
 * A parameter of a module that is true or false, and on for as long as anybody needs it. What an administrator turned
 * on is on before and after: the original says so.
 */
export const parameter: KindOf<'parameter'> = {
  stage: 'tune',
  changesDevices: false,
  attributes: ['module-parameter'],
  lock: (key) => `parameter ${key}`,
  target: ({ value }, wishes) => ({ value: wishes.length > 0 ? 'Y' : value }),
  steps: ({ key, seen, to }) =>
    seen.state.value === to.value ? [] : [{ kind: 'set', attribute: 'module-parameter', key, to: to.value }],
  subject: (key) => {
    const [module = '', name = ''] = key.split(' ');
    return `parameter ${name} of ${module}`;
  },
  words: (_key, { value }) => value,
};

/** What an owner wants that may do without interrupt remapping, where there is none. */
export const withoutRemapping: Wish<'parameter'> = {
  kind: 'parameter',
  key: `${BACK_END} ${UNSAFE_INTERRUPTS}`,
  wish: { value: 'Y' },
};
