/** A vGPU type as NVIDIA's driver lists it. */
export interface VgpuType {
  readonly id: number;
  /** Such as `NVIDIA L40S-8Q`. */
  readonly name: string;
}

/** More types than any card has. */
const MOST = 256;

/**
 * The types in `creatable_vgpu_types`: a header, then `1152  : NVIDIA L40S-8Q` for each. What is no such line is passed
 * over, so that a driver which says more is understood all the same.
 */
export function parseVgpuTypes(text: string): readonly VgpuType[] {
  return text
    .split('\n')
    .flatMap((line) => {
      const [, id, name] = /^\s*(\d{1,9})\s*:\s*(\S.*?)\s*$/.exec(line) ?? [];
      return id === undefined || name === undefined ? [] : [{ id: Number(id), name }];
    })
    .slice(0, MOST);
}

/** Whether a type has this name. People leave `NVIDIA` or `GRID` away, as the vendor's own tables do. */
export function isCalled({ name }: VgpuType, asked: string): boolean {
  const plain = (text: string): string =>
    text
      .trim()
      .toLowerCase()
      .replace(/^(?:nvidia|grid) +/, '');
  return plain(name) === plain(asked);
}

/** A type in a sentence: `type 1152 (NVIDIA L40S-8Q)`, by its number alone where its name is not known; 0: `no vGPU`. */
export function vgpuWords(id: number, known: readonly VgpuType[] = []): string {
  if (id === 0) return 'no vGPU';
  const name = known.find((each) => each.id === id)?.name;
  return name === undefined ? `type ${id}` : `type ${id} (${name})`;
}
