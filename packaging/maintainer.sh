#!/bin/sh
# What the maintainer scripts of all packages do while the program is installed: maintainer.sh WORD. What comes before the
# files are there is in before-install.sh; what comes after they are gone is up to each package.
#   before-upgrade   waits until no run of the hook is at work: it may still load a part of the old version
#   configure        makes vfio-hook libvirt's hook, enables the recover unit, starts nothing
#   may-remove       refuses while devices are held, and does nothing else: for package managers that ask once before all
#   before-removal   refuses while devices are held; then nothing is libvirt's hook any more
# shellcheck disable=SC2034 # packaging/system.sh uses what is set here
set -eu
umask 022
PATH=/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL
speaker=vfio-hook
PREFIX=@PREFIX@
DESTDIR=
dry_run=no
here=$(dirname "$0")
# shellcheck source=system.sh
. "$here/system.sh"

# The package says where its program is, in bin or in sbin.
program=$(sed -n 's/^program: //p' "$PREFIX/share/vfio-hook/package")
program=${program:-$PREFIX/sbin/vfio-hook}
# update-alternatives(1)'s name of libvirt's hook, which other packages may want to be as well.
alternative=libvirt-hook-qemu
# Where another hook is there: libvirt (6.5 and later) runs this after it.
drop_in=$hooks/qemu.d/50-vfio-hook

# Debian's: others have programs of that name that replace what is there.
has_alternatives() { command -v update-alternatives >/dev/null && dpkg-query --show vfio-hook >/dev/null 2>&1; }

# link_hook: never over something that is not ours; where that is libvirt's hook, vfio-hook comes after it
link_hook() {
  mkdir -p "$hooks"
  if ! exists "$link" || is_ours "$link" || [ "$(readlink "$link")" = "/etc/alternatives/$alternative" ]; then
    if has_alternatives; then
      update-alternatives --quiet --install "$link" "$alternative" "$program" 50
    elif [ "$(command_behind "$link")" != "$program" ]; then
      ln -sfn "$program" "$link"
    fi
  fi
  # Of several alternatives the owner, or the highest number, may have chosen another one.
  if [ "$(command_behind "$link")" = "$program" ]; then
    # From when there was another hook: it would run twice.
    if [ "$(command_behind "$drop_in")" = "$program" ]; then rm -f "$drop_in"; fi
    return
  fi
  if [ -n "$(our_drop_in)" ]; then return; fi
  mkdir -p "$hooks/qemu.d"
  ln -s "$program" "$drop_in"
  say "$link is another hook and stays; vfio-hook is $drop_in, which libvirt runs after it"
}

unlink_hook() {
  if has_alternatives; then update-alternatives --quiet --remove "$alternative" "$program"; fi
  for path in "$link" "$drop_in"; do
    if [ "$(command_behind "$path")" = "$program" ]; then rm -f "$path"; fi
  done
}

systemd_does() { command -v systemctl >/dev/null; }
systemd_runs() { [ -d /run/systemd/system ] && systemd_does; }

enable_unit() {
  if command -v deb-systemd-helper >/dev/null; then
    deb-systemd-helper unmask "$unit" >/dev/null || :
    # Not again, where somebody has disabled it.
    if deb-systemd-helper --quiet was-enabled "$unit"; then
      deb-systemd-helper enable "$unit" >/dev/null || :
    else
      deb-systemd-helper update-state "$unit" >/dev/null || :
    fi
  elif [ "$first" = yes ] && systemd_does; then
    systemctl --quiet --no-reload enable "$unit" || warn "cannot enable $unit"
  fi
  if systemd_runs; then systemctl --system daemon-reload || :; fi
}

disable_unit() {
  # Debian's postrm says so, by deb-systemd-helper.
  if command -v deb-systemd-helper >/dev/null; then return; fi
  if systemd_does; then systemctl --quiet --no-reload disable "$unit" || :; fi
}

held_remedy='then try again'
busy_result='nothing was done'
first=yes
if [ "${2-}" = upgrade ]; then first=no; fi

case ${1-} in
  before-upgrade)
    under_locks true
    ;;
  configure)
    link_hook
    enable_unit
    relabel "$hooks" /etc/vfio-hook "$program" "$PREFIX/lib/vfio-hook"
    reload_libvirt
    ;;
  may-remove)
    check_claims
    ;;
  before-removal)
    check_claims
    under_locks sh "$0" remove-program
    ;;
  # Only this script itself says so.
  remove-program)
    # A start may have taken devices while the locks were waited for.
    check_claims
    # A start that waits for its lock looks for this file when it has it. The package manager does not miss it.
    rm -f "$PREFIX/lib/vfio-hook/hook.cjs"
    unlink_hook
    disable_unit
    reload_libvirt
    ;;
  *)
    fail 'the words are before-upgrade, configure, may-remove and before-removal'
    ;;
esac
