/**
 * What an action returns; undefined when it throws, whatever it throws: for what is only kept to be faster, and is done
 * anew where it cannot be had.
 */
export function attempt<Value>(action: () => Value): Value | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}
