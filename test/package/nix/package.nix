# The arguments that packaging/nix/package.nix gives to buildNpmPackage, with paths in the place of packages.
let
  names = [
    "bash"
    "coreutils"
    "diffutils"
    "findutils"
    "gawk"
    "gnugrep"
    "gnused"
    "iproute2"
    "kmod"
    "nodejs"
    "systemd"
    "util-linux"
  ];
in
import ../../../packaging/nix/package.nix (
  builtins.listToAttrs (
    map (name: {
      inherit name;
      value = "/nix/store/${name}";
    }) names
  )
  // {
    lib = import ./lib.nix;
    buildNpmPackage = arguments: builtins.removeAttrs arguments [ "src" "npmDeps" ];
    importNpmLock = {
      __functor = _: _: "dependencies";
      npmConfigHook = "npmConfigHook";
    };
  }
)
