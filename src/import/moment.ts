/** Whether a guest begins or ends when a command runs, as far as it can be told. */
export type Phase = 'begin' | 'end';

/** Operations of libvirt at which a guest ends. */
const ENDS: readonly string[] = ['stopped', 'release'];

/** The phase of an operation of libvirt. */
export function phaseOf(operation: string): Phase {
  return ENDS.includes(operation) ? 'end' : 'begin';
}

/** Words in the names of scripts that guides have for the one and the other. */
const END_WORDS =
  /(?:^|[^a-z])(?:revert|stop|end|release|unbind_vfio|unbind|teardown|dealloc|return|rebind|ondemand|restore|post|after|detach_end|shutdown)(?:[^a-z]|$)/i;

/** The phase of a script that lies in no directory of libvirt's operations, by what it is called. */
export function phaseOfName(name: string): Phase {
  return END_WORDS.test(name.replaceAll('_', ' ').replaceAll('-', ' ')) || END_WORDS.test(name)
    ? 'end'
    : 'begin';
}
