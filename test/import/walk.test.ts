import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { ScriptFile } from '../../src/import/import.ts';
import { linesOf } from '../../src/import/tokens.ts';
import { imported, script, verdicts } from './scripts.ts';

const hook = (text: string): ScriptFile => ({
  path: '/etc/libvirt/hooks/qemu',
  text: `#!/bin/bash\n${text}`,
  isHook: true,
});

/** Units that the configuration stops. */
function stopped(...scripts: readonly ScriptFile[]): readonly string[] {
  return imported(scripts).wishes.flatMap((wish) => (wish.key === 'services' ? wish.units : []));
}

describe('a script that is looked through', () => {
  const single: readonly (readonly [sentence: string, text: string, units: readonly string[]])[] = [
    [
      'asks for the guest by if',
      'if [ "$1" = "win11" ]; then systemctl stop a; elif [ "$1" = mac ]; then systemctl stop b; else systemctl stop c; fi',
      ['a.service'],
    ],
    [
      'asks for several guests in one condition',
      'if [[ $1 == "mac" || $1 == "win11" ]]; then\n systemctl stop a\nfi\nif [[ $1 == mac && $2 == prepare ]]; then systemctl stop b; fi',
      ['a.service'],
    ],
    [
      'asks by case, with patterns',
      'case "$1" in\n mac|linux) systemctl stop a;;\n win*)\n  systemctl stop b\n  ;;\n *) systemctl stop c;;\nesac',
      ['b.service'],
    ],
    [
      'asks by && and ||',
      '[ "$1" = mac ] && systemctl stop a\n[ "$1" = mac ] || systemctl stop b',
      ['b.service'],
    ],
    ['ends for other guests', '[[ "$1" != mac ]] && exit 0\nsystemctl stop a', []],
    ['goes on for this one', 'if [ "$1" != win11 ]; then exit 0; fi\nsystemctl stop a', ['a.service']],
    [
      'names the guest in a variable',
      'VM="win11"\nif test "${1}" = "$VM"; then systemctl stop a; fi',
      ['a.service'],
    ],
    [
      'asks something that only a run would tell',
      'if lspci | grep -q NVIDIA; then systemctl stop a; else systemctl stop b; fi',
      ['a.service', 'b.service'],
    ],
    [
      'has functions',
      'down() {\n  systemctl stop a\n}\nfunction up {\n systemctl stop "$1"\n}\ndown\nup b',
      ['a.service'],
    ],
    [
      'has a loop over units',
      'for unit in a "b" c.socket; do systemctl stop $unit; done',
      ['a.service', 'b.service', 'c.socket'],
    ],
    ['has comments and quotations', '# systemctl stop a\necho "systemctl stop b" # systemctl stop c\n', []],
    ['goes on in the next line', 'systemctl \\\n  stop \\\n  a', ['a.service']],
    ['has a here-document', 'cat <<EOF > /tmp/x\nsystemctl stop a\nEOF\nsystemctl stop b', ['b.service']],
    ['has CRLF line ends', 'systemctl stop a\r\nsystemctl stop b\r\n', ['a.service', 'b.service']],
  ];
  for (const [sentence, text, units] of single) {
    it(sentence, () => {
      assert.deepEqual(stopped(hook(text)), units);
    });
  }

  it('tells the end from the beginning by libvirt’s operation', () => {
    const text = [
      'if [ "$2/$3" = "prepare/begin" ]; then',
      '  systemctl stop ollama',
      'elif [ "$2" = release ]; then',
      '  systemctl start ollama',
      '  cpupower frequency-set -g powersave',
      'fi',
    ].join('\n');
    assert.deepEqual(verdicts(imported([hook(text)])), ['3 key services', '5 itself', '6 itself']);
  });

  it('takes the end of one script for the way back of another', () => {
    const scripts = [
      script('systemctl stop ollama'),
      script('systemctl start ollama plex', ['release', 'end']),
    ];
    assert.deepEqual(verdicts(imported(scripts)), ['2 key services', '2 itself', '2 stays']);
  });

  it('tells it by the name of a script that lies in no operation’s directory', () => {
    const named = (name: string): ScriptFile => ({
      path: `/s/${name}`,
      text: '#!/bin/sh\nmodprobe nvidia; echo 0 > /proc/sys/vm/nr_hugepages',
    });
    for (const name of [
      'revert.sh',
      'stop.sh',
      'dealloc_hugepages.sh',
      'cpu_mode_ondemand.sh',
      'unbind_vfio.sh',
    ]) {
      const governor = { ...named(name), text: '#!/bin/sh\ncpupower frequency-set -g schedutil' };
      assert.deepEqual(verdicts(imported([governor])), ['2 itself'], name);
    }
    for (const name of [
      'start.sh',
      'bind_vfio.sh',
      'alloc_hugepages.sh',
      'cpu_mode_performance.sh',
      'isolcpus.sh',
    ]) {
      const governor = { ...named(name), text: '#!/bin/sh\ncpupower frequency-set -g performance' };
      assert.deepEqual(verdicts(imported([governor])), ['2 key governor'], name);
    }
  });

  it('resolves variables of the script, and of a file that it reads', () => {
    const text =
      'source "/etc/libvirt/hooks/kvm.conf"\nvirsh nodedev-detach $GPU\nSIZE=3\necho $SIZE > "/sys/bus/pci/devices/${ADDRESS}/resource2_resize"';
    const { wishes, scripts } = imported([script(text)], {
      assigned: new Set(['0000:03:00.0']),
      sourced: (path) =>
        path === '/etc/libvirt/hooks/kvm.conf'
          ? '## ids\nGPU=pci_0000_03_00_0\nADDRESS="0000:03:00.0"\n'
          : undefined,
    });
    assert.equal(scripts[0]?.lines[0]?.verdicts[0]?.kind, 'itself');
    assert.deepEqual(wishes, [{ key: 'bars', device: '0000:03:00.0', bar: 2, bit: 3 }]);
  });

  it('knows nothing of a variable that a command gives, also where it had a value', () => {
    const text = 'UNIT=a\nUNIT=$(cat /etc/unit)\nsystemctl stop $UNIT\nsystemctl stop `cat x`';
    assert.deepEqual(verdicts(imported([script(text)])), ['4 stays', '5 stays']);
  });

  it('never fails, whatever the text, and shows every line once at most', () => {
    const pieces = [
      'if',
      'then',
      'fi',
      'case',
      'in',
      'esac',
      ')',
      '(',
      '{',
      '}',
      ';;',
      '|',
      '&&',
      '"',
      "'",
      '`',
      '$(',
      '${',
      '\\',
      '\n',
      ' ',
      '<<E',
      'E',
      '>',
      'do',
      'done',
      'for',
      'x',
      '$1',
      'else',
      '#',
    ];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 40 }), (parts) => {
        const text = parts.join(' ');
        const numbers = imported([hook(text)]).scripts[0]!.lines.map(({ number }) => number);
        assert.deepEqual(
          numbers,
          [...new Set(numbers)].sort((a, b) => a - b),
        );
        assert.ok(linesOf(text).length <= text.split('\n').length);
      }),
      { numRuns: 400, seed: 7 },
    );
  });
});
