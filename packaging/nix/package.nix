# vfio-hook for NixOS: built from source, since what a distribution changes is written into the build (src/distribution.ts).
#
#   pkgs.callPackage ./packaging/nix/package.nix { }
#
# What npm needs is taken from package-lock.json, with its hashes: there is none to fill in here.
{
  lib,
  bash,
  buildNpmPackage,
  coreutils,
  diffutils,
  findutils,
  gawk,
  gnugrep,
  gnused,
  importNpmLock,
  iproute2,
  kmod,
  nodejs,
  systemd,
  util-linux,
}:

let
  manifest = lib.importJSON ../../package.json;

  # The programs that the hook starts, and after them what an owner has: nvidia-smi, mdevctl, display managers.
  directories =
    map (package: "${lib.getBin package}/bin") [
      bash
      coreutils
      gawk
      gnugrep
      gnused
      iproute2
      kmod
      systemd
      util-linux
    ]
    ++ [ "/run/current-system/sw/bin" ];

  quoted = values: "[${lib.concatMapStringsSep ", " (value: "'${value}'") values}]";

  # Of src/distribution.ts: each text as it is there, and what it becomes.
  changes = [
    {
      from = "PREFIX = '/usr'";
      to = "PREFIX = '${placeholder "out"}'";
    }
    {
      from = "/sbin/vfio-hook`";
      to = "/bin/vfio-hook`";
    }
    {
      from = "LIBVIRT = '/etc/libvirt'";
      to = "LIBVIRT = '/var/lib/libvirt'";
    }
    {
      from = "['/usr/sbin', '/usr/bin', '/sbin', '/bin']";
      to = quoted directories;
    }
    {
      from = "['/usr/bin/node', '/usr/bin/nodejs', '/bin/node', '/usr/local/bin/node']";
      to = quoted [ "${nodejs}/bin/node" ];
    }
    {
      from = "STORE = ''";
      to = "STORE = '${builtins.storeDir}'";
    }
  ];

  # install.sh looks for nothing where the caller's PATH says.
  installPath = lib.makeBinPath [
    coreutils
    diffutils
    findutils
    gawk
    gnugrep
    gnused
  ];
in
buildNpmPackage {
  pname = manifest.name;
  inherit (manifest) version;

  src = lib.cleanSource ../..;

  inherit nodejs;
  npmDeps = importNpmLock { npmRoot = ../..; };
  npmConfigHook = importNpmLock.npmConfigHook;

  postPatch = ''
    ${lib.concatMapStringsSep "\n" (
      change:
      "substituteInPlace src/distribution.ts --replace-fail ${lib.escapeShellArg change.from} ${lib.escapeShellArg change.to}"
    ) changes}
    substituteInPlace install.sh --replace-fail 'PATH=/usr/sbin:/usr/bin:/sbin:/bin' 'PATH=${installPath}'
    patchShebangs scripts
  '';

  installPhase = ''
    runHook preInstall
    DESTDIR=$TMPDIR/root PREFIX=$out SBINDIR=$out/bin NODE=${nodejs}/bin/node REMOVE=nixos-rebuild sh ./install.sh --files
    mkdir -p "$(dirname "$out")"
    cp -r "$TMPDIR/root$out" "$out"
    # install.sh puts units where systemd looks for those of such a PREFIX; NixOS takes them from the package.
    mkdir -p "$out/lib/systemd"
    cp -r "$TMPDIR/root/etc/systemd/system" "$out/lib/systemd/system"
    runHook postInstall
  '';

  passthru = { inherit changes; };

  meta = {
    inherit (manifest) description;
    license = lib.licenses.mit;
    mainProgram = "vfio-hook";
    platforms = lib.platforms.linux;
  };
}
