# shellcheck shell=sh
# The build puts this into the script that a package runs before its files are there. Nothing is changed: either the package
# can be installed, or this says why not and ends.

refuse() {
  printf 'vfio-hook: error: %s\n' "$1" >&2
  shift
  for hint in "$@"; do printf 'vfio-hook: hint: %s\n' "$hint" >&2; done
  exit 1
}

for prefix in @PREFIX@ /usr /usr/local; do
  if [ -f "$prefix/share/vfio-hook/installed" ]; then
    refuse "vfio-hook was installed by its install.sh, with PREFIX=$prefix, and would be there twice" \
      "remove that first: PREFIX=$prefix sh $prefix/lib/vfio-hook/install.sh --uninstall" \
      'configuration, and an earlier hook that was kept, stay'
  fi
done

# The new version gives back what the old one has taken: it has to understand what that one has written.
for claim in /run/vfio-hook/claims/*.json; do
  if [ ! -f "$claim" ]; then continue; fi
  version=$(sed -n 's/^ *"version": *\([0-9]*\),*$/\1/p' "$claim" | head -n 1)
  # shellcheck disable=SC2194 # the build fills in words
  case " @CLAIM_VERSIONS@ " in
    *" ${version:-none} "*) ;;
    *)
      refuse "this version cannot read $claim (version ${version:-unknown}), and could not give its devices back" \
        'first let the installed version give them back: shut the guests down, vfio-hook reattach, vfio-hook recover'
      ;;
  esac
done

if [ -f @PREFIX@/lib/vfio-hook/maintainer.sh ]; then
  @PREFIX@/lib/vfio-hook/maintainer.sh before-upgrade || exit 1
fi
