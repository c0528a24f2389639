import type { ConfigEdit } from '../config/edit.ts';
import { nearestWord } from '../config/nearest.ts';
import { VfioHookError } from '../errors.ts';
import { advice } from '../hint.ts';
import { quoteName } from '../text.ts';

/*
 * The words of `vfio-hook set`: the common keys of a guest's configuration file, each with a value that fits into one word. What
 * a value may be is for the configuration's own rules to say, so that there is one answer.
 */

/** One word that can be set. */
export interface Setting {
  readonly word: string;
  /** Whether it is about one device, or about the guest. */
  readonly of: 'device' | 'guest';
  /** Where it stands, from the device's rule or from the top of the file. */
  readonly path: readonly [string, ...string[]];
  /** What the file says for this word of the command line. */
  readonly value: (text: string) => unknown;
  /** For the help: the value, and what it does. */
  readonly example: string;
  readonly about: string;
}

const asItIs = (text: string): unknown => text;
const asList = (text: string): unknown => text.split(',').map((each) => each.trim());
/** What is no number stays a text, and the rules say what is wrong with it. */
const asNumber = (text: string): unknown => (/^\d{1,15}$/.test(text) ? Number(text) : text);
const asYesOrNo = (text: string): unknown =>
  ({ yes: true, true: true, no: false, false: false })[text] ?? text;

function bar(index: number): Setting {
  return {
    word: `bar${index}`,
    of: 'device',
    path: ['bars', String(index)],
    value: asItIs,
    example: `bar${index}=8MiB`,
    about: `size of BAR ${index} while the guest has the device`,
  };
}

/** Every word, in the order of the help. */
export const settings: readonly Setting[] = [
  ...[0, 1, 2, 3, 4, 5].map(bar),
  {
    word: 'driver',
    of: 'device',
    path: ['driver'],
    value: asItIs,
    example: 'driver=mlx5_vfio_pci',
    about: 'driver in place of vfio-pci',
  },
  {
    word: 'reset',
    of: 'device',
    path: ['reset'],
    value: (text) => (text === 'none' ? text : asList(text)),
    example: 'reset=bus',
    about: 'none, or methods in order, with commas',
  },
  {
    word: 'power',
    of: 'device',
    path: ['power'],
    value: asItIs,
    example: 'power=on',
    about: 'on keeps it awake, auto lets it sleep',
  },
  {
    word: 'd3cold',
    of: 'device',
    path: ['d3cold'],
    value: asYesOrNo,
    example: 'd3cold=no',
    about: 'whether it may lose its power while it sleeps',
  },
  {
    word: 'allow',
    of: 'device',
    path: ['allow'],
    value: asList,
    example: 'allow=boot-vga,console',
    about: 'what it may be taken from, as a refusal names it',
  },
  {
    word: 'display',
    of: 'guest',
    path: ['display', 'release'],
    value: asItIs,
    example: 'display=auto',
    about: 'the guest gets the screen: auto, or the address of the card',
  },
  {
    word: 'governor',
    of: 'guest',
    path: ['governor'],
    value: asItIs,
    example: 'governor=performance',
    about: 'CPU frequency governor of the guest’s cores',
  },
  {
    word: 'cpus',
    of: 'guest',
    path: ['cpus', 'isolate'],
    value: asItIs,
    example: 'cpus=auto',
    about: 'CPUs that the host keeps off: auto, or a list such as 2-7',
  },
  {
    word: 'latency',
    of: 'guest',
    path: ['latency'],
    value: asNumber,
    example: 'latency=10',
    about: 'microseconds within which CPUs wake',
  },
  {
    word: 'sleep',
    of: 'guest',
    path: ['sleep'],
    value: asItIs,
    example: 'sleep=block',
    about: 'block: the host is not suspended while the guest runs',
  },
  {
    word: 'hugepages',
    of: 'guest',
    path: ['hugepages'],
    value: (text) => {
      const [size = '', count = 'auto'] = text.split(':');
      return { size, count: asNumber(count) };
    },
    example: 'hugepages=2MiB',
    about: 'pages for its memory: their size, and :COUNT if not as many as it needs',
  },
  {
    word: 'stop',
    of: 'guest',
    path: ['services', 'stop'],
    value: asList,
    example: 'stop=ollama.service',
    about: 'services that do not run meanwhile, with commas',
  },
];

/**
 * What a word of the command line changes: `bar2=8MiB` for `set`, `bar2` for `unset`. Throws VH_USAGE for a word that is not known,
 * one of a device without a device, and one without a value or with one too many.
 */
export function readSetting(text: string, device: string | undefined, way: 'set' | 'unset'): ConfigEdit {
  const at = text.indexOf('=');
  const word = at === -1 ? text : text.slice(0, at);
  const value = at === -1 ? undefined : text.slice(at + 1);
  const setting = settings.find((each) => each.word === word);
  if (!setting) throw unknownWord(word);
  const { of, path, example } = setting;
  if (way === 'set' && (value === undefined || value === ''))
    throw new VfioHookError('VH_USAGE', `${word} has no value`, { hints: [advice(`such as ${example}`)] });
  if (way === 'unset' && value !== undefined)
    throw new VfioHookError('VH_USAGE', `unset takes ${word} out of the file, whatever its value is`, {
      hints: [advice(`give the word alone: ${word}`)],
    });
  if (of === 'device' && device === undefined)
    throw new VfioHookError('VH_USAGE', `${word} is about one device, and none is named`, {
      hints: [
        advice(
          `give its address before it: vfio-hook ${way} GUEST 01:00.0 ${way === 'set' ? example : word}`,
        ),
      ],
    });
  return {
    ...(of === 'device' && device !== undefined && { device }),
    path,
    value: value === undefined ? undefined : setting.value(value),
  };
}

function unknownWord(word: string): VfioHookError {
  const words = settings.map((each) => each.word);
  const meant = nearestWord(word, words);
  return new VfioHookError('VH_USAGE', `there is no setting ${quoteName(word)}`, {
    hints: [
      meant === undefined ? advice(`there are ${words.join(', ')}`) : advice(`did you mean ${meant}?`),
      advice('other keys: write them into the file (see vfio-hook.yaml(5))'),
    ],
  });
}
