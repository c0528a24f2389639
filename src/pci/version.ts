/** What tells of a version, by its first two numbers, whether it is a certain one or later. */
export function compareWith(major: number, minor: number): (major: number, minor: number) => boolean {
  return (wantedMajor, wantedMinor) => major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}
