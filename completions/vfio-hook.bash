# bash completion for vfio-hook. Made by scripts/completions.ts from the table of sub-commands.

_vfio_hook_guests() {
  local file
  for file in /etc/libvirt/qemu/*.xml; do
    file=${file##*/}
    [ "$file" = '*.xml' ] || printf '%s\n' "${file%.xml}"
  done
}

_vfio_hook_addresses() {
  local device
  for device in /sys/bus/pci/devices/*; do
    device=${device##*/}
    [ "$device" = '*' ] || printf '%s\n' "${device#0000:}" "$device"
  done
}

_vfio_hook_value() {
  case $1 in
    groups:--host) compgen -f -- "$current" ;;
    map:--format) printf '%s\n' html svg ;;
    map:--host) compgen -f -- "$current" ;;
    sriov:--host) compgen -f -- "$current" ;;
    mdev:--host) compgen -f -- "$current" ;;
    vgpu:--host) compgen -f -- "$current" ;;
    plan:--host) compgen -f -- "$current" ;;
    plan:--config) compgen -f -- "$current" ;;
    log:--lines) : ;;
    detach:--device-id|bind:--device-id) : ;;
    detach:--vendor|bind:--vendor) : ;;
    detach:--vf|bind:--vf) : ;;
    detach:--vgpu|bind:--vgpu) : ;;
    detach:--mdev|bind:--mdev) : ;;
    detach:--parent|bind:--parent) : ;;
    detach:--driver|bind:--driver) : ;;
    detach:--bar|bind:--bar) : ;;
    detach:--allow|bind:--allow) printf '%s\n' mounted swap disk-in-use default-route ssh bridge-port boot-vga console held last-keyboard ;;
    reattach:--device-id|unbind:--device-id) : ;;
    reattach:--vendor|unbind:--vendor) : ;;
    reattach:--driver|unbind:--driver) : ;;
    run:--device) _vfio_hook_addresses ;;
    run:--vf) : ;;
    run:--vgpu) : ;;
    run:--mdev) : ;;
    run:--parent) : ;;
    run:--driver) : ;;
    run:--allow) printf '%s\n' mounted swap disk-in-use default-route ssh bridge-port boot-vga console held last-keyboard ;;
    devices:--format) printf '%s\n' cloud-hypervisor qemu libvirt ;;
    devices:--device-id) : ;;
    devices:--vendor) : ;;
    lint:--host) compgen -f -- "$current" ;;
    init:--output) compgen -f -- "$current" ;;
    import-scripts:--from) : ;;
    import-scripts:--output) compgen -f -- "$current" ;;
    simulate:--host) compgen -f -- "$current" ;;
    simulate:--domain) _vfio_hook_guests; compgen -f -- "$current" ;;
    simulate:--config) compgen -f -- "$current" ;;
    *) return 1 ;;
  esac
}

_vfio_hook_words() {
  local command=$1
  case $command in
    groups) printf '%s\n' --all --lines --host --json --help; _vfio_hook_addresses ;;
    map) printf '%s\n' --format --all --host --help; : ;;
    sriov) printf '%s\n' --host --json --help; : ;;
    mdev) printf '%s\n' --host --json --help; : ;;
    vgpu) printf '%s\n' --host --json --help; : ;;
    plan) printf '%s\n' --host --config --json --help; _vfio_hook_guests; compgen -f -- "$current" ;;
    status) printf '%s\n' --watch --json --help; : ;;
    log) printf '%s\n' --lines --follow --json --help; _vfio_hook_guests; compgen -f -- "$current" ;;
    recover) printf '%s\n' --dry-run --verbose --json --help; : ;;
    detach|bind) printf '%s\n' --device-id --vendor --all --vf --vgpu --mdev --parent --driver --bar --allow --dry-run --verbose --json --help; _vfio_hook_addresses ;;
    reattach|unbind) printf '%s\n' --device-id --vendor --all --driver --dry-run --verbose --json --help; _vfio_hook_addresses ;;
    run) printf '%s\n' --device --vf --vgpu --mdev --parent --driver --allow --verbose --help; compgen -c -- "$current" ;;
    devices) printf '%s\n' --format --device-id --vendor --all --json --help; _vfio_hook_addresses ;;
    doctor) printf '%s\n' --quiet --json --help; _vfio_hook_guests; compgen -f -- "$current" ;;
    lint) printf '%s\n' --host --json --help; _vfio_hook_guests; compgen -f -- "$current" ;;
    hostdevs) printf '%s\n' --json --help; _vfio_hook_guests; compgen -f -- "$current" ;;
    init) printf '%s\n' --output --force --help; _vfio_hook_guests; compgen -f -- "$current" ;;
    set) printf '%s\n' --dry-run --help; _vfio_hook_guests; compgen -f -- "$current" ;;
    unset) printf '%s\n' --dry-run --help; _vfio_hook_guests; compgen -f -- "$current" ;;
    import-scripts) printf '%s\n' --from --output --write --force --help; _vfio_hook_guests; compgen -f -- "$current" ;;
    validate) printf '%s\n' --json --help; compgen -f -- "$current" ;;
    snapshot) printf '%s\n'  --help; : ;;
    simulate) printf '%s\n' --host --domain --config --help; : ;;
    *) printf '%s\n' groups map sriov mdev vgpu plan status log recover detach bind reattach unbind run devices doctor lint hostdevs init set unset import-scripts validate snapshot simulate help --help --version ;;
  esac
}

_vfio_hook() {
  local current before command='' word words
  # A colon ends a word for readline, and addresses have colons: the line is cut at blanks here.
  local line=${COMP_LINE:0:COMP_POINT}
  read -r -a words <<<"$line"
  if [[ $line == *[[:space:]] ]]; then words+=(''); fi
  current=${words[-1]}
  before=${words[-2]}
  if ((${#words[@]} > 2)); then command=${words[1]}; fi
  COMPREPLY=()
  local offered
  offered=$(_vfio_hook_value "$command:$before") || offered=$(_vfio_hook_words "$command")
  # What readline replaces begins after the last colon.
  local kept=''
  if [[ $current == *:* && $COMP_WORDBREAKS == *:* ]]; then kept=${current%"${current##*:}"}; fi
  while IFS= read -r word; do
    if [[ -n $word && $word == "$current"* ]]; then
      word=${word#"$kept"}
      COMPREPLY+=("$(printf '%q' "$word")")
    fi
  done <<<"$offered"
}

complete -F _vfio_hook vfio-hook
