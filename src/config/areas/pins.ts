import * as v from 'valibot';
import { resetMethods } from '../config.ts';
import { expected } from '../forms.ts';

const words = resetMethods.join(', ');
const write = expected(`none or a list of ${words}`);

/** How a device is reset while a guest has it; `none` is the empty list. */
export const reset = v.pipe(
  v.union(
    [
      v.pipe(
        v.literal('none'),
        v.description('The device is not reset: what a guest left in it, the next one finds.'),
      ),
      v.pipe(
        v.array(
          v.pipe(
            v.picklist(resetMethods, expected(`one of ${words}`)),
            v.description('A reset method by the name that the kernel has for it.'),
          ),
          write,
        ),
        v.minLength(1, 'an empty list: write none for a device that is not to be reset'),
        v.checkItems((method, at, all) => all.indexOf(method) === at, 'a method is there twice'),
        v.description('Methods in the order in which the kernel tries them.'),
      ),
    ],
    (issue) => nested(issue) ?? write(issue),
  ),
  v.description(
    'How the device is reset for the time that the guest has it: none, or methods of its reset_method in the order in which they are tried.',
  ),
  v.transform((methods) => (methods === 'none' ? [] : methods)),
);

/** Of a list, what is wrong in it says more than that it is none of both. */
function nested({ issues }: { readonly issues?: readonly v.BaseIssue<unknown>[] | undefined }) {
  return issues?.find(({ type }) => type !== 'literal' && type !== 'array')?.message;
}

/** Whether it may sleep while a guest has it. */
export const power = v.pipe(
  v.picklist(['on', 'auto'], expected('on or auto')),
  v.description(
    'power/control for the time that the guest has the device: on keeps it awake; auto, which vfio-pci sets, lets it sleep.',
  ),
);

/** Whether it may lose its power. */
export const d3cold = v.pipe(
  v.boolean(expected('true or false')),
  v.description(
    'd3cold_allowed for the time that the guest has the device: whether it may lose its power altogether while it sleeps.',
  ),
);
