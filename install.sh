#!/bin/sh
# Installs vfio-hook from this directory, after `npm run build`. See `install.sh --help`.
set -eu
umask 022
LC_ALL=C
export LC_ALL

# Paths on the installed system; DESTDIR goes before each of them when it is touched.
hooks=/etc/libvirt/hooks
link=$hooks/qemu
# An earlier hook is renamed within its directory: `dirname "$0"`, links and siblings stay what they were for it.
kept=$hooks/qemu.kept-by-vfio-hook
# What libvirt (6.5 and later) runs after hooks/qemu; it calls the hook that was kept.
wrapper=$hooks/qemu.d/00-kept-by-vfio-hook
# Outside of hooks/: says that the kept hook is ours to put back.
marker=/var/lib/vfio-hook/kept-hook
config=/etc/vfio-hook
# Runs `vfio-hook recover` before each start of libvirt's daemon.
unit=vfio-hook-recover.service
oldest_node='18.20'
newline='
'

usage() {
  cat <<'END'
Usage: ./install.sh [--uninstall [--force]] [--dry-run]

Installs vfio-hook and makes it libvirt's hook for QEMU guests.

  --uninstall  remove what was installed; your configuration stays
  --force      with --uninstall: also while guests hold devices
  --dry-run    say what would be done and change nothing
  --help       this text

Environment:
  PREFIX       where the program goes: PREFIX/sbin, PREFIX/lib, PREFIX/share (default /usr)
  DESTDIR      directory to install into, for packages; nothing is reloaded then
  NODE         absolute path of the Node.js to use (default: /usr/bin/node, else the first one found)

Examples:
  sudo ./install.sh --dry-run
  sudo NODE=/usr/bin/node ./install.sh
END
}

say() { printf '%s\n' "$*"; }
warn() { printf 'install.sh: warning: %s\n' "$*" >&2; }

# fail MESSAGE [HINT]
fail() {
  printf 'install.sh: error: %s\n' "$1" >&2
  if [ $# -gt 1 ]; then printf 'install.sh: hint: %s\n' "$2" >&2; fi
  exit 1
}

exists() { [ -e "$1" ] || [ -L "$1" ]; }

# ---- nothing half done: what is staged or made is taken back unless the run gets to its end ----

# Finished copies, and where each of them goes when `commit` renames it: a path a line.
staged=''
targets=''
# Directories that did not exist before, the innermost first.
made=''
# Whatever is installed, for the record.
files=''
work=''
new_link=''
undo_hook=no

clean_up() {
  status=$?
  trap - EXIT HUP INT TERM
  if [ "$undo_hook" = yes ]; then put_hook_back; fi
  if [ -n "$new_link" ]; then rm -f "$new_link"; fi
  printf '%s' "$staged" | while IFS= read -r path; do rm -f "$path"; done
  printf '%s' "$made" | while IFS= read -r path; do rmdir "$DESTDIR$path" 2>/dev/null || :; done
  if [ -n "$work" ]; then rm -rf "$work"; fi
  exit "$status"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# make_directory PATH: with the directories above it
make_directory() {
  if [ -d "$DESTDIR$1" ]; then return; fi
  if exists "$DESTDIR$1"; then fail "$DESTDIR$1 is in the way: it is no directory"; fi
  if [ -n "${1%/*}" ]; then make_directory "${1%/*}"; fi
  if [ "$dry_run" = yes ]; then return; fi
  mkdir "$DESTDIR$1" 2>/dev/null || fail "cannot make the directory $DESTDIR$1"
  made=$1$newline$made
}

# stage FROM TO MODE [DIRECTORY]: a finished copy of FROM beside TO, or in DIRECTORY
stage() {
  beside=${4-${2%/*}}
  if [ -d "$DESTDIR$2" ]; then fail "$DESTDIR$2 is in the way: it is a directory"; fi
  if [ ! -L "$DESTDIR$2" ] && cmp -s "$1" "$DESTDIR$2" && [ -n "$(find "$DESTDIR$2" -prune -perm "$3")" ]; then
    return
  fi
  make_directory "${2%/*}"
  if [ "$dry_run" = yes ]; then
    say "would install $2"
    return
  fi
  temporary=$(mktemp "$DESTDIR$beside/.vfio-hook.XXXXXX" 2>/dev/null) || fail "cannot write to $DESTDIR$beside"
  staged=$staged$temporary$newline
  targets=$targets$DESTDIR$2$newline
  { cat "$1" >"$temporary" && chmod "$3" "$temporary"; } || fail "cannot write to $DESTDIR$beside"
}

# stage_file FROM TO [MODE]: one of the files that --uninstall removes
stage_file() {
  files=$files$2$newline
  stage "$1" "$2" "${3-644}"
}

# commit: puts everything that was staged in its place, each file at once
commit() {
  while [ -n "$staged" ]; do
    target=${targets%%"$newline"*}
    mv -f "${staged%%"$newline"*}" "$target" || fail "cannot replace $target"
    if [ "$target" != "$DESTDIR$manifest" ]; then say "installed ${target#"$DESTDIR"}"; fi
    staged=${staged#*"$newline"}
    targets=${targets#*"$newline"}
  done
}

# ---- Node ----

# node_version PATH: "20.19.2", or nothing when it is no Node
node_version() {
  answer=$(NODE_OPTIONS='' "$1" --version 2>/dev/null </dev/null) || return 0
  printf '%s\n' "$answer" | sed -n 's/^v\([0-9][0-9]*\.[0-9][0-9]*\.[0-9][0-9]*\).*/\1/p'
}

new_enough() {
  [ "${1%%.*}" -gt "${oldest_node%.*}" ] && return
  minor=${1#*.}
  [ "${1%%.*}" -eq "${oldest_node%.*}" ] && [ "${minor%%.*}" -ge "${oldest_node#*.}" ]
}

# choose_node: sets `node`
choose_node() {
  if [ -n "${NODE-}" ]; then
    case $NODE in
      /*) ;;
      *) fail "NODE is no absolute path: $NODE" ;;
    esac
    [ -x "$NODE" ] || fail "there is no program at NODE=$NODE"
    version=$(node_version "$NODE")
    [ -n "$version" ] || fail "NODE=$NODE does not say a version: is it Node.js?"
    new_enough "$version" ||
      fail "NODE=$NODE is too old: version $version, and $oldest_node or later is needed" 'install a newer Node.js'
    node=$NODE
    return
  fi
  old=''
  for node in /usr/bin/node /usr/bin/nodejs /bin/node "$(command -v node || :)" /usr/local/bin/node; do
    case $node in /*) ;; *) continue ;; esac
    [ -x "$node" ] || continue
    version=$(node_version "$node")
    [ -n "$version" ] || continue
    if new_enough "$version"; then return; fi
    old="$node is version $version"
  done
  if [ -n "$old" ]; then fail "Node.js is too old: $old, and $oldest_node or later is needed" 'install a newer Node.js'; fi
  fail 'there is no Node.js' 'apt install nodejs, or name one: NODE=/path/to/node ./install.sh'
}

# The profile of libvirtd lets hooks run what lies directly in these directories; the last target of a chain of links counts.
warn_of_apparmor() {
  case $(dirname "$2") in
    /bin | /sbin | /usr/bin | /usr/sbin) ;;
    *) warn "where AppArmor confines libvirtd it will not run $1 $2: only /usr/bin, /usr/sbin, /bin and /sbin are allowed" ;;
  esac
}

# write_launcher TO: dist/vfio-hook with the chosen Node in its line chosen_node='', which may end with a comment
write_launcher() {
  number=$(sed -n "/^chosen_node=''\$/=; /^chosen_node='' /=" "$source/dist/vfio-hook")
  case $number in
    '' | *[!0-9]*) fail "$source/dist/vfio-hook does not have exactly one line chosen_node=''" 'npm run build' ;;
  esac
  quoted=$(printf '%s\n' "$node" | sed "s/'/'\\\\''/g")
  rest=$(sed -n "${number}s/^chosen_node=''//p" "$source/dist/vfio-hook")
  {
    head -n "$((number - 1))" "$source/dist/vfio-hook"
    printf "chosen_node='%s'%s\n" "$quoted" "$rest"
    tail -n "+$((number + 1))" "$source/dist/vfio-hook"
  } >"$1"
}

# ---- the hook and the one that was there before ----

# is_ours PATH: a link to a vfio-hook in some sbin, or a copy of it
is_ours() {
  if [ -L "$1" ]; then
    case $(readlink "$1") in
      */sbin/vfio-hook) return 0 ;;
      *) return 1 ;;
    esac
  fi
  [ -f "$1" ] && head -n 60 "$1" | grep -q "^chosen_node='"
}

# our_drop_in: the entry of qemu.d that leads to us, when somebody made one
our_drop_in() {
  for entry in "$DESTDIR$hooks"/qemu.d/*; do
    if [ -L "$entry" ] && is_ours "$entry"; then
      printf '%s\n' "${entry#"$DESTDIR"}"
      return
    fi
  done
}

# plan_hook: sets `hook` to what is to be done: nothing, link, or keep (the other hook) and link
plan_hook() {
  hook='nothing'
  drop_in=$(our_drop_in)
  if [ -n "$drop_in" ]; then
    say "$drop_in leads to vfio-hook, so $link is left alone"
  elif [ -d "$DESTDIR$link" ] && [ ! -L "$DESTDIR$link" ]; then
    fail "$DESTDIR$link is in the way: it is a directory"
  elif ! exists "$DESTDIR$link"; then
    hook='link'
  elif is_ours "$DESTDIR$link"; then
    if [ "$(readlink "$DESTDIR$link")" != "$PREFIX/sbin/vfio-hook" ]; then hook='link'; fi
  elif exists "$DESTDIR$kept"; then
    fail "there are two other hooks, $DESTDIR$link and $DESTDIR$kept" 'remove the one that you do not need'
  else
    hook='keep'
  fi
}

# stage_hook: the link, and what makes an earlier hook run on, as finished files under other names. libvirt runs
# every executable in qemu.d, so nothing is prepared there.
stage_hook() {
  make_directory "$hooks"
  if [ "$hook" = keep ] || exists "$DESTDIR$kept"; then
    make_directory "$hooks/qemu.d"
    if [ "$dry_run" = no ] && [ ! -w "$DESTDIR$hooks/qemu.d" ]; then fail "cannot write to $DESTDIR$hooks/qemu.d"; fi
    printf '%s\n' "$kept" >"$work/marker"
    write_wrapper >"$work/wrapper"
    stage "$work/marker" "$marker" 644
    stage "$work/wrapper" "$wrapper" 755 "$hooks"
  fi
  if [ "$hook" = nothing ]; then return; fi
  if [ "$dry_run" = yes ]; then
    if [ "$hook" = keep ]; then say "would keep $link as $kept"; fi
    say "would link $link -> $PREFIX/sbin/vfio-hook"
    return
  fi
  new_link=$DESTDIR$hooks/.vfio-hook.link.$$
  ln -s "$PREFIX/sbin/vfio-hook" "$new_link" 2>/dev/null || fail "cannot write to $DESTDIR$hooks"
}

write_wrapper() {
  cat <<'END'
#!/bin/sh
# Made by the install.sh of vfio-hook: runs the hook that was /etc/libvirt/hooks/qemu before, under its
# new name in the same directory. See coexistence.md in the documentation of vfio-hook.
# A kept hook that itself runs everything in qemu.d comes here again: that ends at once.
if [ -n "${VFIO_HOOK_KEPT-}" ]; then exit 0; fi
VFIO_HOOK_KEPT=1
export VFIO_HOOK_KEPT
hooks=${0%/*}
hooks=${hooks%/*}
kept=$hooks/qemu.kept-by-vfio-hook
# libvirt does not run what is not executable either.
if [ -f "$kept" ] && [ -x "$kept" ]; then exec "$kept" "$@"; fi
exit 0
END
}

# commit_hook: there is a hook in hooks/qemu at every moment, the old one or the new one
commit_hook() {
  if [ "$hook" = nothing ] || [ "$dry_run" = yes ]; then return; fi
  if [ "$hook" = keep ]; then
    undo_hook=yes
    # -P: a link stays a link. A file system without hard links has to do with a moment without a hook.
    ln -P "$DESTDIR$link" "$DESTDIR$kept" 2>/dev/null || mv "$DESTDIR$link" "$DESTDIR$kept" ||
      fail "cannot keep $DESTDIR$link"
    say "kept $link as $kept"
  fi
  mv -f "$new_link" "$DESTDIR$link" || fail "cannot replace $DESTDIR$link"
  new_link=''
  undo_hook=no
  say "linked $link -> $PREFIX/sbin/vfio-hook"
}

# put_hook_back: the file itself returns, with its mode and owner
put_hook_back() {
  if exists "$DESTDIR$kept"; then
    if exists "$DESTDIR$link" && ! is_ours "$DESTDIR$link"; then
      # Still in its place, under two names.
      rm -f "$DESTDIR$kept"
    else
      mv -f "$DESTDIR$kept" "$DESTDIR$link"
    fi
  fi
  rm -f "$DESTDIR$wrapper" "$DESTDIR$marker"
}

# ---- the record of what was installed ----

# listed KIND: the paths of that kind (f file, d directory made by us) in the record of an earlier run
listed() {
  if [ -f "$DESTDIR$manifest" ]; then sed -n "s/^$1 //p" "$DESTDIR$manifest"; fi
}

# stage_manifest: directories with the innermost first, then files
stage_manifest() {
  if [ "$dry_run" = yes ]; then return; fi
  {
    { printf '%s' "$made" && listed d; } | awk '!seen[$0]++ { print "d " $0 }'
    printf '%s' "$files" | sed 's/^/f /'
  } >"$work/installed"
  stage "$work/installed" "$manifest" 644
}

# stale_files: files of an earlier version that this one does not have
stale_files() {
  listed f | while IFS= read -r path; do
    case $newline$files in
      *"$newline$path$newline"*) ;;
      *) printf '%s\n' "$path" ;;
    esac
  done
}

# remove_each PATHS: one a line
remove_each() {
  printf '%s\n' "$1" | while IFS= read -r path; do
    if [ -n "$path" ]; then remove "$path"; fi
  done
}

# remove PATH
remove() {
  if ! exists "$DESTDIR$1"; then return; fi
  if [ "$dry_run" = yes ]; then
    say "would remove $1"
    return
  fi
  rm -f "$DESTDIR$1" 2>/dev/null || fail "cannot remove $DESTDIR$1"
  say "removed $1"
}

# ---- the system around ----

relabel() {
  if [ -n "$DESTDIR" ] || ! command -v restorecon >/dev/null || ! command -v selinuxenabled >/dev/null; then return; fi
  if ! selinuxenabled; then return; fi
  if [ "$dry_run" = yes ]; then
    say 'would set the SELinux labels'
    return
  fi
  restorecon -R "$hooks" "$config" "$PREFIX/sbin/vfio-hook" "$PREFIX/lib/vfio-hook" || warn 'restorecon failed'
}

# libvirt looks for hooks when it starts and when it reloads, so it need not be restarted.
reload_libvirt() {
  if [ -n "$DESTDIR" ]; then return; fi
  for daemon in virtqemud libvirtd; do
    if command -v systemctl >/dev/null && systemctl is-active --quiet "$daemon.service" 2>/dev/null; then
      reload "$daemon" systemctl reload "$daemon.service"
      return
    fi
    pid=$(cat "/run/$daemon.pid" 2>/dev/null || pgrep -x -o "$daemon" 2>/dev/null || :)
    case $pid in '' | *[!0-9]*) continue ;; esac
    if [ "$(cat "/proc/$pid/comm" 2>/dev/null)" != "$daemon" ]; then continue; fi
    reload "$daemon" kill -HUP "$pid"
    return
  done
  say 'libvirt is not running: it finds the hook when it starts'
}

# reload DAEMON COMMAND...
reload() {
  daemon=$1
  shift
  if [ "$dry_run" = yes ]; then
    say "would reload $daemon: $*"
  elif "$@"; then
    say "reloaded $daemon"
    note_reload
  else
    warn "cannot reload $daemon; libvirt does not see the change before this succeeds: $*"
  fi
}

# note_reload: libvirt writes nowhere when it was reloaded, and vfio-hook doctor wants to know
note_reload() {
  if [ ! -d /run/vfio-hook ]; then mkdir -m 700 /run/vfio-hook 2>/dev/null || return 0; fi
  touch /run/vfio-hook/libvirt-reloaded 2>/dev/null || :
}

# with_systemd: whether systemd runs here and is ours to talk to
with_systemd() {
  [ -z "$DESTDIR" ] && [ -d /run/systemd/system ] && command -v systemctl >/dev/null
}

enable_unit() {
  if ! with_systemd; then return; fi
  if [ "$dry_run" = yes ]; then
    say "would enable $unit"
  elif systemctl daemon-reload && systemctl --quiet enable "$unit"; then
    say "enabled $unit"
  else
    warn "cannot enable $unit; devices of guests that libvirt lost track of then wait for: vfio-hook recover"
  fi
}

disable_unit() {
  if ! with_systemd || ! exists "$units/$unit"; then return; fi
  if [ "$dry_run" = yes ]; then
    say "would disable $unit"
  else
    systemctl --quiet disable "$unit" || warn "cannot disable $unit"
  fi
}

# ---- the two things this script does ----

# stage_all: everything that is installed
stage_all() {
  stage_hook
  make_directory "$config"
  make_directory "$config/domains"
  stage_file "$work/vfio-hook" "$PREFIX/sbin/vfio-hook" 755
  for file in "$source"/dist/*.cjs; do stage_file "$file" "$PREFIX/lib/vfio-hook/${file##*/}"; done
  sed "s|@PREFIX@|$PREFIX|g" "$source/systemd/$unit" >"$work/unit"
  stage_file "$work/unit" "$units/$unit"
  stage_file "$source/schema/vfio-hook.schema.json" "$share/vfio-hook.schema.json"
  for file in "$source"/man/*.8; do stage_file "$file" "$PREFIX/share/man/man8/${file##*/}"; done
  for file in "$source"/man/*.5; do stage_file "$file" "$PREFIX/share/man/man5/${file##*/}"; done
  stage_file "$source/completions/vfio-hook.bash" "$PREFIX/share/bash-completion/completions/vfio-hook"
  stage_file "$source/completions/vfio-hook.fish" "$PREFIX/share/fish/vendor_completions.d/vfio-hook.fish"
  # Debian's zsh does not look into site-functions below /usr.
  functions=$PREFIX/share/zsh/site-functions
  if [ -d "$DESTDIR$PREFIX/share/zsh/vendor-completions" ]; then functions=$PREFIX/share/zsh/vendor-completions; fi
  stage_file "$source/completions/_vfio-hook" "$functions/_vfio-hook"
  for file in "$source"/*.md "$source"/LICENSE "$source"/dist/*.txt; do
    if [ -f "$file" ]; then stage_file "$file" "$documents/${file##*/}"; fi
  done
  for file in "$source"/docs/*.md; do
    if [ -f "$file" ]; then stage_file "$file" "$documents/docs/${file##*/}"; fi
  done
  for file in "$source"/examples/*/*; do
    kind=${file%/*}
    if [ -f "$file" ]; then stage_file "$file" "$documents/examples/${kind##*/}/${file##*/}"; fi
  done
  stage_manifest
}

install_all() {
  for file in dist/vfio-hook schema/vfio-hook.schema.json "systemd/$unit" man/vfio-hook.8 completions/vfio-hook.bash; do
    [ -f "$source/$file" ] || fail "there is no $source/$file" 'npm ci && npm run build'
  done
  set -- "$source"/dist/*.cjs
  [ -f "$1" ] || fail "there is no $source/dist/*.cjs" 'npm ci && npm run build'
  choose_node
  case $node in
    *[[:cntrl:]]* | *'*/'*) fail 'the path of Node.js has characters that cannot be written into the hook' ;;
  esac
  warn_of_apparmor Node.js "$(readlink -f "$node")"
  warn_of_apparmor 'the hook' "$PREFIX/sbin/vfio-hook"
  work=$(mktemp -d) || fail 'cannot make a temporary directory'
  write_launcher "$work/vfio-hook"
  plan_hook
  say "Node.js: $node (version $version)"
  if [ "$dry_run" = no ] && [ ! -d "$DESTDIR/" ]; then
    mkdir -p "$DESTDIR" 2>/dev/null || fail "cannot make the directory $DESTDIR"
  fi
  stage_all
  stale=$(stale_files)
  commit
  commit_hook
  remove_each "$stale"
  made=''
  relabel
  enable_unit
  reload_libvirt
  if [ "$dry_run" = yes ]; then return; fi
  cat <<END

vfio-hook is installed. It needs no configuration: the guest's XML says which devices.
Next:
  vfio-hook doctor         whether everything is in place, and what to type if not
  vfio-hook plan GUEST     what a start would do to the devices
  virsh start GUEST        the hook moves them, and puts them back when the guest is off
Settings, if you want any, go to $config/config.yaml and $config/domains/GUEST.yaml;
examples are in $documents/examples/configs.
END
}

uninstall_all() {
  if [ "$force" = no ]; then check_claims; fi
  if [ ! -f "$DESTDIR$manifest" ]; then
    say "there is nothing to remove: no $manifest"
    if [ -L "$DESTDIR$link" ] && is_ours "$DESTDIR$link"; then
      warn "$link leads to $(readlink "$DESTDIR$link"): was it installed with another PREFIX?"
    fi
    return
  fi
  uninstall_hook
  disable_unit
  remove_each "$(listed f)"
  directories=$(listed d)
  remove "$manifest"
  if [ "$dry_run" = no ]; then
    # Only those that are empty go: yours may hold other things by now.
    printf '%s\n' "$directories" | while IFS= read -r path; do
      if [ -n "$path" ] && rmdir "$DESTDIR$path" 2>/dev/null; then say "removed $path"; fi
    done
  fi
  if [ -d "$DESTDIR$config" ]; then say "kept $config: your configuration"; fi
  reload_libvirt
}

# check_claims: a guest that holds devices would never give them back without the program
check_claims() {
  set -- "$DESTDIR"/run/vfio-hook/claims/*
  if ! exists "$1"; then return; fi
  fail "guests still hold devices: $# claims in $DESTDIR/run/vfio-hook/claims" \
    'shut these guests down (or run vfio-hook recover) and try again; --force leaves their devices as they are'
}

uninstall_hook() {
  if ! exists "$DESTDIR$link"; then
    :
  elif [ "$(readlink "$DESTDIR$link" 2>/dev/null)" != "$PREFIX/sbin/vfio-hook" ]; then
    warn "$link is not the link that was installed: it stays"
    if exists "$DESTDIR$kept"; then warn "$kept and $wrapper stay as well"; fi
    return
  fi
  if ! [ -f "$DESTDIR$marker" ] || ! exists "$DESTDIR$kept"; then
    remove "$link"
  elif [ "$dry_run" = yes ]; then
    say "would put $kept back as $link"
  else
    put_hook_back
    say "put $kept back as $link"
  fi
}

# ---- what was asked for ----

action=install
dry_run=no
force=no
for argument in "$@"; do
  case $argument in
    --uninstall) action=uninstall ;;
    --dry-run) dry_run=yes ;;
    --force) force=yes ;;
    --help | -h)
      usage
      exit 0
      ;;
    *)
      printf 'install.sh: error: unknown argument %s\ninstall.sh: hint: ./install.sh --help\n' "$argument" >&2
      exit 2
      ;;
  esac
done
if [ "$force" = yes ] && [ "$action" = install ]; then
  printf 'install.sh: error: --force goes with --uninstall only\n' >&2
  exit 2
fi

DESTDIR=${DESTDIR-}
PREFIX=${PREFIX:-/usr}
case $DESTDIR in /) DESTDIR='' ;; */) DESTDIR=${DESTDIR%/} ;; esac
case $PREFIX in */) PREFIX=${PREFIX%/} ;; esac
case $DESTDIR in '' | /*) ;; *) fail "DESTDIR is no absolute path: $DESTDIR" ;; esac
case $PREFIX in /?*) ;; *) fail "PREFIX is no absolute path below /: $PREFIX" ;; esac
case $DESTDIR$PREFIX in *"$newline"*) fail 'DESTDIR and PREFIX must not contain a line break' ;; esac
# The systemd unit has it in a line in which other characters mean something.
case $PREFIX in *[!A-Za-z0-9/._+-]*) fail "PREFIX may have letters, digits and / . _ + - only: $PREFIX" ;; esac
if [ -z "$DESTDIR" ] && [ "$dry_run" = no ] && [ "$(id -u)" != 0 ]; then
  fail 'only root can install into the system' "sudo $0"
fi
source=$(cd "$(dirname "$0")" && pwd -P)
share=$PREFIX/share/vfio-hook
documents=$PREFIX/share/doc/vfio-hook
manifest=$share/installed
# Where systemd looks.
case $PREFIX in
  /usr | /usr/local) units=$PREFIX/lib/systemd/system ;;
  *) units=/etc/systemd/system ;;
esac

case $action in
  install) install_all ;;
  uninstall) uninstall_all ;;
esac
