# shellcheck shell=sh disable=SC2034,SC2154 # what one side sets the other uses
# Read by install.sh and by maintainer.sh: how vfio-hook stands in the system around it. Who reads this has set `speaker`,
# the name that its messages begin with. The build fills in src/distribution.ts.

# Where files go when nobody says otherwise.
PREFIX=${PREFIX:-@PREFIX@}
# Before every path that is touched; empty on the system itself.
DESTDIR=${DESTDIR-}
dry_run=${dry_run:-no}
node_places='@NODE_PLACES@'

# Paths on the installed system; DESTDIR goes before each of them when it is touched.
hooks=@LIBVIRT@/hooks
link=$hooks/qemu
# Runs `vfio-hook recover` before each start of libvirt's daemon.
unit=vfio-hook-recover.service
run_directory=/run/vfio-hook
newline='
'

say() { printf '%s\n' "$*"; }
warn() { printf '%s: warning: %s\n' "$speaker" "$*" >&2; }

# fail MESSAGE [HINT]...
fail() {
  printf '%s: error: %s\n' "$speaker" "$1" >&2
  shift
  for hint in "$@"; do printf '%s: hint: %s\n' "$speaker" "$hint" >&2; done
  exit 1
}

exists() { [ -e "$1" ] || [ -L "$1" ]; }

# ---- what leads to vfio-hook ----

# command_behind PATH: the path of the vfio-hook that a link leads to, over as many links as there are: those of
# alternatives and of other packages count
command_behind() {
  at=$1
  hops=0
  while [ -L "$DESTDIR$at" ] && [ $hops -lt 40 ]; do
    leads_to=$(readlink "$DESTDIR$at") || return 0
    case $leads_to in
      /*) at=$leads_to ;;
      *) at=${at%/*}/$leads_to ;;
    esac
    case $at in
      */sbin/vfio-hook | */bin/vfio-hook)
        printf '%s\n' "$at"
        return
        ;;
    esac
    hops=$((hops + 1))
  done
}

# is_ours PATH: it leads to a vfio-hook, or is a copy of one
is_ours() {
  if [ -L "$DESTDIR$1" ]; then
    [ -n "$(command_behind "$1")" ]
  else
    [ -f "$DESTDIR$1" ] && head -n 60 "$DESTDIR$1" | grep -q "^chosen_node='"
  fi
}

# our_drop_in: the entry of qemu.d that leads to us, when there is one
our_drop_in() {
  for entry in "$DESTDIR$hooks"/qemu.d/*; do
    entry=${entry#"$DESTDIR"}
    if [ -L "$DESTDIR$entry" ] && is_ours "$entry"; then
      printf '%s\n' "$entry"
      return
    fi
  done
}

# ---- who holds devices, and who is at work ----

# warn_unseen: the directory of claims is for root
warn_unseen() {
  if [ -d "$DESTDIR$run_directory" ] && [ ! -x "$DESTDIR$run_directory" ]; then
    warn "cannot see whether devices are held: $DESTDIR$run_directory is for root only"
  fi
}

# check_claims: whoever holds devices would never give them back without the program
check_claims() {
  warn_unseen
  guests=0 by_hand=0 programs=0
  for claim in "$DESTDIR$run_directory"/claims/*; do
    case ${claim##*/} in
      '*') ;;
      manual-*) by_hand=$((by_hand + 1)) ;;
      run-*) programs=$((programs + 1)) ;;
      *) guests=$((guests + 1)) ;;
    esac
  done
  if [ "$guests$by_hand$programs" = 000 ]; then return; fi
  holders=''
  set --
  if [ $guests != 0 ]; then
    holders="$holders, by guests ($guests)"
    set -- "$@" 'shut the guests down; what is left then: vfio-hook recover'
  fi
  if [ $by_hand != 0 ]; then
    holders="$holders, by hand with vfio-hook detach ($by_hand)"
    addresses=$(sed -n 's/.*"address": *"\([0-9a-f:.]*\)".*/\1/p' "$DESTDIR$run_directory"/claims/manual-* |
      sort -u | paste -s -d ' ' -)
    set -- "$@" "vfio-hook reattach ${addresses:-ADDRESS (see vfio-hook status)}"
  fi
  if [ $programs != 0 ]; then
    holders="$holders, by programs of vfio-hook run ($programs)"
    set -- "$@" 'end the programs that vfio-hook run started'
  fi
  fail "devices are still held${holders#,}: see $DESTDIR$run_directory/claims" "$@" "$held_remedy"
}

# under_locks COMMAND...: does not come back: ends with the status of the command, which runs while no run of the hook is
# at work and none begins that takes devices: each of those locks a group, and looks then whether the program is still
# there (src/engine/hand-over.ts). The locks are those of src/engine/lock.ts, taken in the order of src/engine/lock-name.ts.
under_locks() {
  locks=$DESTDIR$run_directory/locks
  if [ -z "$DESTDIR" ]; then
    for directory in "$run_directory" "$locks"; do
      [ -d "$directory" ] || mkdir -m 700 "$directory" || fail "cannot make the directory $directory"
    done
    for group in /sys/kernel/iommu_groups/*; do
      if [ -d "$group" ]; then (umask 077 && : >>"$locks/group-${group##*/}"); fi
    done
  fi
  # Names of locks have no blanks, and nothing that the shell would expand.
  for lock in $(last_locks_first); do
    # A host without flock(1) has no run that could take one.
    if [ -f "$locks/$lock" ] && command -v flock >/dev/null; then set -- flock -w 30 -E 75 "$locks/$lock" "$@"; fi
  done
  status=0
  "$@" || status=$?
  if [ $status = 75 ]; then
    fail "a run of vfio-hook is at work on devices, and was not done in 30 s; $busy_result" \
      'see what it does: vfio-hook status; then try again'
  fi
  exit $status
}

# last_locks_first: the names of all locks that there are, in the opposite of the order in which they are taken
last_locks_first() {
  cd "$locks" 2>/dev/null || return 0
  printf '%s\n' group-* | sort -t - -k 2,2nr
  printf '%s\n' shared-* | sort -r
  printf '%s\n' claim-* | sort -r
}

# ---- libvirt and systemd ----

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
  if [ ! -d "$run_directory" ]; then mkdir -m 700 "$run_directory" 2>/dev/null || return 0; fi
  touch "$run_directory/libvirt-reloaded" 2>/dev/null || :
}

# relabel PATH...: SELinux
relabel() {
  if [ -n "$DESTDIR" ] || ! command -v restorecon >/dev/null || ! command -v selinuxenabled >/dev/null; then return; fi
  if ! selinuxenabled; then return; fi
  if [ "$dry_run" = yes ]; then
    say 'would set the SELinux labels'
  else
    restorecon -R "$@" || warn 'restorecon failed'
  fi
}
