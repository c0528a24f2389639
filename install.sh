#!/bin/sh
# Installs vfio-hook from this directory, after `npm run build`. See `install.sh --help`.
set -eu
umask 022
# Nothing is looked for where the caller's PATH says.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL

# What is said in one place for this script and for those of packages; the build makes it from packaging/system.sh. An
# installation keeps it beside its copy of this script.
source=$(cd "$(dirname "$0")" && pwd -P)
# shellcheck disable=SC2034 # the other file does
speaker=install.sh
for system in "$source/dist/system.sh" "$source/system.sh" ''; do
  if [ -f "$system" ]; then break; fi
done
if [ -z "$system" ]; then
  printf '%s\n' "install.sh: error: there is no $source/dist/system.sh" 'install.sh: hint: npm ci && npm run build' >&2
  exit 1
fi
# shellcheck source=dist/system.sh
. "$system"

# An earlier hook is renamed within its directory: `dirname "$0"`, links and siblings stay what they were for it.
kept=$hooks/qemu.kept-by-vfio-hook
# Outside of hooks/: says that the kept hook is ours to put back, and in a second line whose its scripts are.
marker=/var/lib/vfio-hook/kept-hook
# What libvirt (6.5 and later) runs after hooks/qemu; it calls the hook that was kept.
wrapper=$hooks/qemu.d/00-kept-by-vfio-hook
ours='its scripts are run by vfio-hook'
config=/etc/vfio-hook
# Started for guests, and never enabled.
guest_units='vfio-hook-latency@.service vfio-hook-awake.service'
logrotate=/etc/logrotate.d/vfio-hook
oldest_node='18.19'

usage() {
  cat <<END
Usage: ./install.sh [--scripts] [--dry-run]
       ./install.sh --uninstall [--force] [--dry-run]
       DESTDIR=DIRECTORY ./install.sh --files

Installs vfio-hook and makes it libvirt's hook for QEMU guests.

  --scripts    where the earlier hook does nothing but run scripts in qemu.d/GUEST/OPERATION/SUB-OPERATION:
               run them in its place (at a terminal you are asked)
  --uninstall  remove what was installed; your configuration stays
  --force      with --uninstall: also while guests hold devices
  --files      for who makes a package: put what belongs into it below DESTDIR, and do nothing else
  --dry-run    say what would be done and change nothing
  --help       this text

Environment:
  PREFIX       where the program goes: PREFIX/sbin, PREFIX/lib, PREFIX/share (default $PREFIX)
  SBINDIR      where the command goes, if not to PREFIX/sbin: a directory that ends in bin
  DESTDIR      directory to install into; nothing is reloaded then
  NODE         absolute path of the Node.js to use (default: /usr/bin/node, nodejs, or node in /bin, /usr/local/bin)

Node.js runs as root, so only root may be able to replace it: every directory and link of its path belongs to root, and
neither group nor others may write to them.

Examples:
  sudo ./install.sh --dry-run
  sudo NODE=/usr/bin/node ./install.sh
END
}

# summary WORDS PATHS: what was done to files, one path a line; a directory with several of them is one line
summary() {
  printf '%s' "$2" | words=$1 root=$DESTDIR documents=$documents awk '
    BEGIN { words = ENVIRON["words"]; root = ENVIRON["root"]; documents = ENVIRON["documents"] }
    $0 == "" { next }
    {
      directory = index($0, documents "/") == 1 ? documents : substr($0, 1, match($0, "/[^/]*$") - 1)
      if (!count[directory]++) order[++directories] = directory
      last[directory] = $0
    }
    END {
      for (i = 1; i <= directories; i++) {
        directory = order[i]
        if (count[directory] == 1) print words " " root last[directory]
        else print words " " count[directory] " files in " root directory
      }
    }'
}

# ---- nothing half done: what is staged or made is taken back unless the run gets to its end ----

# Finished copies, and where each of them goes when `commit` renames it: a path a line.
staged=''
targets=''
# Directories that did not exist before, the innermost first.
made=''
# Whatever is installed, for the record.
files=''
# Whatever is new or different, or gone, for the summary.
changed=''
removed=''
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
  if [ "$2" != "$manifest" ]; then changed=$changed$2$newline; fi
  if [ "$dry_run" = yes ]; then return; fi
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
    staged=${staged#*"$newline"}
    targets=${targets#*"$newline"}
  done
}

# ---- Node, and what else root will run ----

# node_version PATH: "20.19.2", or nothing when it is no Node
node_version() {
  answer=$(env -i "PATH=$PATH" "$1" --version 2>/dev/null </dev/null) || return 0
  printf '%s\n' "$answer" | sed -n 's/^v\([0-9][0-9]*\.[0-9][0-9]*\.[0-9][0-9]*\).*/\1/p'
}

new_enough() {
  [ "${1%%.*}" -gt "${oldest_node%.*}" ] && return
  minor=${1#*.}
  [ "${1%%.*}" -eq "${oldest_node%.*}" ] && [ "${minor%%.*}" -ge "${oldest_node#*.}" ]
}

# choose_node: sets `node` and `version`. None is run before it is clear that only root can replace it.
choose_node() {
  remedy='install Node.js from a package of your distribution (apt install nodejs), or name one that is: NODE=/usr/bin/node ./install.sh'
  if [ -n "${NODE-}" ]; then
    case $NODE in
      /*) ;;
      *) fail "NODE is no absolute path: $NODE" ;;
    esac
    case $NODE in
      *[[:cntrl:]]*) fail 'the path of Node.js has characters that cannot be written into the hook' ;;
    esac
    if [ ! -f "$NODE" ] || [ ! -x "$NODE" ]; then fail "there is no program at NODE=$NODE"; fi
    only_root_can_replace "$NODE" || fail "somebody else than root can replace NODE=$NODE: $fault" "$remedy"
    version=$(node_version "$NODE")
    [ -n "$version" ] || fail "NODE=$NODE does not say a version: is it Node.js?"
    new_enough "$version" ||
      fail "NODE=$NODE is too old: version $version, and $oldest_node or later is needed" 'install a newer Node.js'
    node=$NODE
    return
  fi
  why='there is no Node.js where this looks'
  for node in $node_places; do
    if [ ! -f "$node" ] || [ ! -x "$node" ]; then continue; fi
    if ! only_root_can_replace "$node"; then
      why="somebody else than root can replace $node: $fault"
      continue
    fi
    version=$(node_version "$node")
    if [ -z "$version" ]; then continue; fi
    if new_enough "$version"; then return; fi
    why="Node.js is too old: $node is version $version, and $oldest_node or later is needed"
  done
  fail "$why" "$remedy"
}

# nearest PATH: what is there of it
nearest() {
  there=$1
  while [ -n "$there" ] && ! exists "$there"; do there=${there%/*}; done
  printf '%s\n' "${there:-/}"
}

# check_writable: before anything is done. Images (ostree, SteamOS) have a /usr that even root cannot write to, and access(2)
# says so.
check_writable() {
  if [ -n "$DESTDIR" ] || [ "$(id -u)" != 0 ]; then return; fi
  for place in "${program%/*}" "$lib" "$share" "$units"; do
    place=$(nearest "$place")
    if [ -w "$place" ]; then continue; fi
    set --
    if [ -e /run/ostree-booted ]; then
      set -- 'layer the package, which brings Node.js and the policy for SELinux: rpm-ostree install ./vfio-hook-*.rpm'
    fi
    for prefix in /usr/local /opt/vfio-hook; do
      if [ "$prefix" != "$PREFIX" ] && [ -w "$(nearest "$prefix")" ]; then
        set -- "$@" "install it where this system is written to: PREFIX=$prefix ./install.sh"
        break
      fi
    done
    fail "$place cannot be written to: the file system is read-only" "$@" \
      'what else is different on such a system: packaging.md in the documentation'
  done
}

# check_places: on this system, nobody but root may be able to put something in the place of what is installed
check_places() {
  if [ -n "$DESTDIR" ]; then return; fi
  for place in "${program%/*}" "$lib" "$hooks/qemu.d"; do
    place=$(nearest "$place")
    only_root_can_replace "$place" ||
      fail "somebody else than root can replace what is in $place: $fault" 'see: ls -ld, chmod go-w, chown root'
  done
}

# The profile of libvirtd lets hooks run what lies directly in these directories; the last target of a chain of links counts.
warn_of_apparmor() {
  case $(dirname "$2") in
    /bin | /sbin | /usr/bin | /usr/sbin) ;;
    *) warn "where AppArmor confines libvirtd it will not run $1 $2: only /usr/bin, /usr/sbin, /bin and /sbin are allowed" ;;
  esac
}

# write_launcher TO: dist/vfio-hook with the paths of Node and of the hook in the lines that are for them
write_launcher() {
  for line in "chosen_node=''" "program=''"; do
    [ "$(grep -cxF "$line" "$source/dist/vfio-hook")" = 1 ] ||
      fail "$source/dist/vfio-hook does not have exactly one line $line" 'npm run build'
  done
  while IFS= read -r line; do
    case $line in
      "chosen_node=''") printf 'chosen_node=%s\n' "$(quoted "$node")" ;;
      "program=''") printf 'program=%s\n' "$(quoted "$lib/hook.cjs")" ;;
      *) printf '%s\n' "$line" ;;
    esac
  done <"$source/dist/vfio-hook" >"$1"
}

# quoted TEXT: as a word of sh
quoted() { printf "'%s'" "$(printf '%s\n' "$1" | sed "s/'/'\\\\''/g")"; }

# ---- the hook and the one that was there before ----

# prefix_of PATH: the PREFIX of the vfio-hook that a link leads to
prefix_of() {
  leads_to=$(command_behind "$1")
  leads_to=${leads_to%/*}
  printf '%s\n' "${leads_to%/*}"
}

# other_prefix: another PREFIX with which vfio-hook is installed
other_prefix() {
  for other in "$(prefix_of "$link")" "$(prefix_of "$(our_drop_in)")" /usr /usr/local; do
    if [ -n "$other" ] && [ "$other" != "$PREFIX" ] && [ -f "$DESTDIR$other/share/vfio-hook/installed" ]; then
      printf '%s\n' "$other"
      return
    fi
  done
}

# plan_hook: sets `hook` to what is to be done: nothing, link, or keep (the other hook) and link
plan_hook() {
  hook='nothing'
  drop_in=$(our_drop_in)
  if [ -n "$drop_in" ]; then
    say "$DESTDIR$drop_in leads to vfio-hook, so $DESTDIR$link is left alone"
  elif [ -d "$DESTDIR$link" ] && [ ! -L "$DESTDIR$link" ]; then
    fail "$DESTDIR$link is in the way: it is a directory"
  elif ! exists "$DESTDIR$link"; then
    hook='link'
  elif is_ours "$link"; then
    if [ "$(readlink "$DESTDIR$link")" != "$program" ]; then hook='link'; fi
  elif exists "$DESTDIR$kept"; then
    fail "there are two other hooks, $DESTDIR$link and $DESTDIR$kept" 'remove the one that you do not need'
  else
    hook='keep'
  fi
}

# is_dispatcher PATH: whether a hook runs scripts by guest, operation and sub-operation, as the one of many guides does
is_dispatcher() {
  [ -f "$1" ] || return 1
  one='\$\{?(1|GUEST_NAME|GUEST|VM_NAME|DOMAIN)\}?'
  two='\$\{?(2|HOOK_NAME|OPERATION)\}?'
  three='\$\{?(3|STATE_NAME|SUB_OPERATION)\}?'
  grep -Eq "qemu\.d/$one/$two/$three" "$1"
}

# plan_scripts: sets `scripts` to whose the tree of scripts is: ours, where an earlier hook did nothing but run it, and
# whoever installs wants that
plan_scripts() {
  scripts=theirs
  if [ "$hook" = keep ]; then
    earlier=$link
  elif exists "$DESTDIR$kept"; then
    earlier=$kept
    if [ -f "$DESTDIR$marker" ] && grep -qx "$ours" "$DESTDIR$marker"; then
      scripts=ours
      return
    fi
  else
    if [ "$take_scripts" = yes ]; then fail 'there is no earlier hook whose scripts could be run: those in qemu.d are run anyway'; fi
    return
  fi
  if ! is_dispatcher "$DESTDIR$earlier"; then
    if [ "$take_scripts" = yes ]; then fail "$DESTDIR$earlier is no hook that only runs scripts: it goes on by itself"; fi
    return
  fi
  if [ "$take_scripts" = no ] && [ "$dry_run" = no ] && [ -t 0 ] && [ -t 1 ]; then
    printf '%s\n' "$DESTDIR$earlier runs the scripts in $DESTDIR$hooks/qemu.d/GUEST. vfio-hook can do that in its place:" \
      'before devices are taken and after they are back, with a time limit, their output in the log.'
    printf 'Shall it? [y/N] '
    IFS= read -r answer || answer=
    case $answer in [yY] | [yY][eE][sS]) take_scripts=yes ;; esac
  fi
  if [ "$take_scripts" = yes ]; then
    scripts=ours
  else
    say "$DESTDIR$earlier goes on with its scripts after vfio-hook; to run them in its place: ./install.sh --scripts"
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
    if [ "$scripts" = ours ]; then printf '%s\n' "$ours" >>"$work/marker"; fi
    stage "$work/marker" "$marker" 644
    if [ "$scripts" = theirs ]; then
      write_wrapper >"$work/wrapper"
      stage "$work/wrapper" "$wrapper" 755 "$hooks"
    fi
  fi
  if [ "$hook" = nothing ]; then return; fi
  if [ "$dry_run" = yes ]; then
    if [ "$hook" = keep ]; then say "would keep $DESTDIR$link as $DESTDIR$kept"; fi
    say "would link $DESTDIR$link -> $program"
    return
  fi
  new_link=$DESTDIR$hooks/.vfio-hook.link.$$
  ln -s "$program" "$new_link" 2>/dev/null || fail "cannot write to $DESTDIR$hooks"
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
  if [ "$scripts" = ours ] && { [ "$hook" = keep ] || exists "$DESTDIR$wrapper"; }; then
    remove "$wrapper"
    verb=are
    if [ "$dry_run" = yes ]; then verb='would be'; fi
    say "the scripts in $DESTDIR$hooks/qemu.d/GUEST $verb run by vfio-hook from now on"
  fi
  if [ "$hook" = nothing ] || [ "$dry_run" = yes ]; then return; fi
  if [ "$hook" = keep ]; then
    undo_hook=yes
    # -P: a link stays a link. A file system without hard links has to do with a moment without a hook.
    ln -P "$DESTDIR$link" "$DESTDIR$kept" 2>/dev/null || mv "$DESTDIR$link" "$DESTDIR$kept" ||
      fail "cannot keep $DESTDIR$link"
    say "kept $DESTDIR$link as $DESTDIR$kept"
  fi
  mv -f "$new_link" "$DESTDIR$link" || fail "cannot replace $DESTDIR$link"
  new_link=''
  undo_hook=no
  say "linked $DESTDIR$link -> $program"
}

# put_hook_back: the file itself returns, with its mode and owner
put_hook_back() {
  if exists "$DESTDIR$kept"; then
    if exists "$DESTDIR$link" && ! is_ours "$link"; then
      # Still in its place, under two names.
      rm -f "$DESTDIR$kept"
    else
      mv -f "$DESTDIR$kept" "$DESTDIR$link"
    fi
  fi
  rm -f "$DESTDIR$wrapper" "$DESTDIR$marker"
}

# ---- the record of what was installed ----

# listed KIND: the paths of that kind in the record of an earlier run: f files, d directories made by us, o parts of the
# program from the version before that one
listed() {
  if [ -f "$DESTDIR$manifest" ]; then sed -n "s/^$1 //p" "$DESTDIR$manifest"; fi
}

# without PATHS: what comes in, but for these
without() {
  while IFS= read -r path; do
    case $newline$1 in
      *"$newline$path$newline"*) ;;
      *) printf '%s\n' "$path" ;;
    esac
  done
}

# sort_out_stale: sets `stale`, what an earlier version installed and this one does not have, and `older`, which of it
# stays: a run of the version before may be at work, and load its parts when it needs them. They go with the next
# version after this one: a run takes minutes. (vfio-hook run may take days; it has loaded what it needs when it waits.)
sort_out_stale() {
  gone=$(listed f | without "$files")
  older=$(printf '%s\n' "$gone" | grep "^$lib/" || :)
  stale=$(printf '%s\n' "$gone" | grep -v "^$lib/" || :)
  before=$(listed o | without "$files")
  if [ -z "$older" ]; then
    older=$before
  else
    stale=$stale$newline$before
  fi
}

# stage_manifest: directories with the innermost first, then files
stage_manifest() {
  if [ "$dry_run" = yes ]; then return; fi
  {
    { printf '%s' "$made" && listed d; } | awk '!seen[$0]++' | while IFS= read -r path; do
      if [ -d "$DESTDIR$path" ]; then printf 'd %s\n' "$path"; fi
    done
    printf '%s' "$files" | sed 's/^/f /'
    if [ -n "$older" ]; then printf '%s\n' "$older" | sed 's/^/o /'; fi
  } >"$work/installed"
  stage "$work/installed" "$manifest" 644
}

# remove_each PATHS: one a line, and the directories of parts that are empty then
remove_each() {
  while IFS= read -r path; do
    if [ -n "$path" ]; then remove "$path"; fi
  done <<END
$1
END
}

# remove PATH
remove() {
  if ! exists "$DESTDIR$1"; then return; fi
  case $newline$removed in *"$newline$1$newline"*) return ;; esac
  removed=$removed$1$newline
  if [ "$dry_run" = yes ]; then return; fi
  rm -f "$DESTDIR$1" 2>/dev/null || fail "cannot remove $DESTDIR$1"
  case $1 in "$lib"/*/*) rmdir "$DESTDIR${1%/*}" 2>/dev/null || : ;; esac
}

# summarize: what became of the files
summarize() {
  if [ "$dry_run" = yes ]; then
    summary 'would install' "$changed"
    summary 'would remove' "$removed"
  else
    summary installed "$changed"
    summary removed "$removed"
  fi
}

# ---- the system around ----

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
  make_directory "$config"
  make_directory "$config/domains"
  # In this order: whatever is there already has what it loads.
  for file in "$source/dist/$parts"/*.cjs; do stage_file "$file" "$lib/$parts/${file##*/}"; done
  stage_file "$source/dist/hook.cjs" "$lib/hook.cjs"
  stage_file "$work/vfio-hook" "$program" 755
  for file in "$unit" $guest_units; do
    sed "s|@PREFIX@|$PREFIX|g; s|@COMMAND@|$program|g" "$source/systemd/$file" >"$work/$file"
    stage_file "$work/$file" "$units/$file"
  done
  # Yours to change: one that is there is left as it is, and removed only if this script made it.
  if ! exists "$DESTDIR$logrotate"; then
    stage_file "$source/logrotate/vfio-hook" "$logrotate"
  elif listed f | grep -qxF "$logrotate"; then
    files=$files$logrotate$newline
  fi
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
  for file in "$source"/docs/*.md "$source"/docs/*/*.md; do
    if [ -f "$file" ]; then stage_file "$file" "$documents/${file#"$source/"}"; fi
  done
  for file in "$source"/examples/*/*; do
    kind=${file%/*}
    if [ -f "$file" ]; then stage_file "$file" "$documents/examples/${kind##*/}/${file##*/}"; fi
  done
}

# check_source: everything that is installed is there
check_source() {
  for file in dist/vfio-hook dist/hook.cjs dist/only-root.sh dist/system.sh dist/maintainer.sh schema/vfio-hook.schema.json \
    man/vfio-hook.8 completions/vfio-hook.bash logrotate/vfio-hook; do
    [ -f "$source/$file" ] || fail "there is no $source/$file" 'npm ci && npm run build'
  done
  for file in "$unit" $guest_units; do
    [ -f "$source/systemd/$file" ] || fail "there is no $source/systemd/$file" 'npm ci && npm run build'
  done
  # The hook says in its first line which directory of parts is its own.
  parts=$(sed -n '1s|^// parts: \([0-9A-Za-z.+-]*\)$|\1|p' "$source/dist/hook.cjs")
  if [ -z "$parts" ] || [ ! -f "$source/dist/$parts/cli.cjs" ]; then
    fail "$source/dist/hook.cjs does not have its parts beside it" 'npm ci && npm run build'
  fi
}

# install_files: what a package has in it
install_files() {
  check_source
  if [ -z "$DESTDIR" ]; then fail '--files makes the contents of a package, and needs DESTDIR'; fi
  # That of the host on which the package will be installed.
  node=${NODE:-${node_places%% *}}
  work=$(mktemp -d) || fail 'cannot make a temporary directory'
  write_launcher "$work/vfio-hook"
  mkdir -p "$DESTDIR" || fail "cannot make the directory $DESTDIR"
  stage_all
  stage_file "$system" "$lib/system.sh"
  stage_file "$source/dist/maintainer.sh" "$lib/maintainer.sh" 755
  printf '%s\n' "program: $program" "remove: ${REMOVE-}" >"$work/package"
  stage_file "$work/package" "$package"
  commit
  summarize
  made=''
}

# refuse_beside_package: a package manager would replace and remove what this script installs
refuse_beside_package() {
  if [ ! -f "$DESTDIR$package" ]; then return; fi
  remove=$(sed -n 's/^remove: //p' "$DESTDIR$package")
  fail 'vfio-hook is installed by a package of the distribution' \
    'upgrade it by the package manager' "or remove it first: ${remove:-by the package manager}"
}

install_all() {
  check_source
  refuse_beside_package
  check_writable
  fault=''
  # shellcheck disable=SC1091 # made by the build from hooks/only-root.sh
  . "$source/dist/only-root.sh"
  other=$(other_prefix)
  if [ -n "$other" ]; then
    fail "vfio-hook is installed with PREFIX=$other, and this is PREFIX=$PREFIX" \
      "to replace it: PREFIX=$other ./install.sh" "to move it, first: PREFIX=$other ./install.sh --uninstall"
  fi
  choose_node
  check_places
  ask_for_claims
  warn_of_apparmor Node.js "$(readlink -f "$node")"
  warn_of_apparmor 'the hook' "$program"
  work=$(mktemp -d) || fail 'cannot make a temporary directory'
  write_launcher "$work/vfio-hook"
  plan_hook
  plan_scripts
  say "Node.js: $node (version $version)"
  if [ "$dry_run" = no ] && [ ! -d "$DESTDIR/" ]; then
    mkdir -p "$DESTDIR" 2>/dev/null || fail "cannot make the directory $DESTDIR"
  fi
  stage_hook
  stage_all
  # So that it can be removed without the directory that it was installed from.
  stage_file "$source/install.sh" "$lib/install.sh"
  stage_file "$system" "$lib/system.sh"
  sort_out_stale
  stage_manifest
  commit
  commit_hook
  remove_each "$stale"
  summarize
  made=''
  relabel "$hooks" "$config" "$program" "$lib"
  enable_unit
  reload_libvirt
  if [ "$dry_run" = yes ]; then return; fi
  cat <<END

vfio-hook is installed. It needs no configuration: the guest's XML says which devices.
Next:
  sudo vfio-hook doctor       whether everything is in place, and what to type if not
  sudo vfio-hook plan GUEST   what a start would do to the devices
  virsh start GUEST           the hook moves them, and puts them back when the guest is off
Settings, if you want any, go to $config/config.yaml and $config/domains/GUEST.yaml;
examples are in $documents/examples/configs.
END
}

# ask_for_claims: the new version reads the claims that are there, before anything is replaced
ask_for_claims() {
  warn_unseen
  set -- "$DESTDIR$run_directory"/claims/*
  if ! exists "$1"; then return; fi
  unreadable=$(env -i "PATH=$PATH" LC_ALL=C "$node" "$source/dist/hook.cjs" --unreadable-claims "$DESTDIR$run_directory" 2>&1) && return
  printf '%s\n' "$unreadable" | while IFS= read -r line; do warn "$line"; done
  fail 'this version cannot read what devices are held by, and could not give them back; nothing was replaced' \
    'first let the installed version give them back: shut the guests down, vfio-hook reattach, vfio-hook recover' \
    "a file that no version can read: see recovery.md in $documents/docs"
}

uninstall_all() {
  if [ ! -f "$DESTDIR$manifest" ]; then
    other=$(other_prefix)
    if [ -n "$other" ]; then
      fail "vfio-hook is installed with PREFIX=$other, and this is PREFIX=$PREFIX" "PREFIX=$other ./install.sh --uninstall"
    fi
    refuse_beside_package
    say "there is nothing to remove: no $DESTDIR$manifest"
    return
  fi
  if [ "$locked" = no ] && [ "$dry_run" = no ]; then
    set -- sh "$source/install.sh" --uninstall --locks-are-held
    if [ "$force" = yes ]; then set -- "$@" --force; fi
    export DESTDIR PREFIX
    under_locks "$@"
  fi
  if [ "$force" = no ]; then check_claims; fi
  # Where it was put, whatever SBINDIR is now.
  program=$(listed f | sed -n '/bin\/vfio-hook$/p')
  uninstall_hook
  disable_unit
  # A start that waits for its lock meanwhile looks for this file when it has it (src/engine/hand-over.ts).
  remove "$lib/hook.cjs"
  remove_each "$(listed f)"
  remove_each "$(listed o)"
  # What the hook keeps of its compiled code (src/code-cache.ts).
  for path in "$DESTDIR"/var/cache/vfio-hook/*/*; do remove "${path#"$DESTDIR"}"; done
  directories=$(listed d)
  remove "$manifest"
  summarize
  if [ "$dry_run" = no ]; then
    rmdir "$DESTDIR"/var/cache/vfio-hook/* "$DESTDIR/var/cache/vfio-hook" 2>/dev/null || :
    # Only those that are empty go: yours may hold other things by now.
    printf '%s\n' "$directories" | while IFS= read -r path; do
      if [ -n "$path" ] && rmdir "$DESTDIR$path" 2>/dev/null; then say "removed $DESTDIR$path"; fi
    done
  fi
  if [ -d "$DESTDIR$config" ]; then say "kept $DESTDIR$config: your configuration"; fi
  reload_libvirt
}

uninstall_hook() {
  if ! exists "$DESTDIR$link"; then
    :
  elif [ "$(readlink "$DESTDIR$link" 2>/dev/null)" != "$program" ]; then
    warn "$DESTDIR$link is not the link that was installed: it stays"
    if exists "$DESTDIR$kept"; then warn "$DESTDIR$kept and $DESTDIR$wrapper stay as well"; fi
    return
  fi
  if ! [ -f "$DESTDIR$marker" ] || ! exists "$DESTDIR$kept"; then
    remove "$link"
  elif [ "$dry_run" = yes ]; then
    say "would put $DESTDIR$kept back as $DESTDIR$link"
  else
    put_hook_back
    say "put $DESTDIR$kept back as $DESTDIR$link"
  fi
}

# ---- what was asked for ----

action=install
dry_run=no
force=no
locked=no
take_scripts=no
for argument in "$@"; do
  case $argument in
    --uninstall) action=uninstall ;;
    --scripts) take_scripts=yes ;;
    --files) action=files ;;
    --dry-run) dry_run=yes ;;
    --force) force=yes ;;
    # Only this script itself says so: see under_locks.
    --locks-are-held) locked=yes ;;
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
if [ "$force" = yes ] && [ "$action" != uninstall ]; then
  printf 'install.sh: error: --force goes with --uninstall only\n' >&2
  exit 2
fi

if [ "$take_scripts" = yes ] && [ "$action" != install ]; then
  printf 'install.sh: error: --scripts does not go with --uninstall and --files\n' >&2
  exit 2
fi

case $DESTDIR in /) DESTDIR='' ;; */) DESTDIR=${DESTDIR%/} ;; esac
case $PREFIX in */) PREFIX=${PREFIX%/} ;; esac
case $DESTDIR in '' | /*) ;; *) fail "DESTDIR is no absolute path: $DESTDIR" ;; esac
case $PREFIX in /?*) ;; *) fail "PREFIX is no absolute path below /: $PREFIX" ;; esac
case $DESTDIR$PREFIX in *"$newline"*) fail 'DESTDIR and PREFIX must not contain a line break' ;; esac
# The systemd unit has it in a line in which other characters mean something.
case $PREFIX in *[!A-Za-z0-9/._+-]*) fail "PREFIX may have letters, digits and / . _ + - only: $PREFIX" ;; esac
SBINDIR=${SBINDIR:-$PREFIX/sbin}
case $SBINDIR in */) SBINDIR=${SBINDIR%/} ;; esac
case $SBINDIR in
  *[!A-Za-z0-9/._+-]*) fail "SBINDIR may have letters, digits and / . _ + - only: $SBINDIR" ;;
  /*/bin | /*/sbin | /bin | /sbin) ;;
  *) fail "SBINDIR is no absolute path that ends in bin or sbin: $SBINDIR" ;;
esac
program=$SBINDIR/vfio-hook
if [ -z "$DESTDIR" ] && [ "$dry_run" = no ] && [ "$(id -u)" != 0 ]; then
  fail 'only root can install into the system' "sudo $0"
fi
share=$PREFIX/share/vfio-hook
documents=$PREFIX/share/doc/vfio-hook
lib=$PREFIX/lib/vfio-hook
# What --uninstall removes; and what a package says of itself.
manifest=$share/installed
package=$share/package
# shellcheck disable=SC2034 # for packaging/system.sh
held_remedy='then try again; --force leaves the devices as they are'
# shellcheck disable=SC2034
busy_result='nothing was removed'
# Where systemd looks.
case $PREFIX in
  /usr | /usr/local) units=$PREFIX/lib/systemd/system ;;
  *) units=/etc/systemd/system ;;
esac

case $action in
  install) install_all ;;
  files) install_files ;;
  uninstall) uninstall_all ;;
esac
