# What packaging/nix/module.nix comes to for `settings`, and the options that it has.
{ settings, libvirtd }:
let
  lib = import ./lib.nix;
  pkgs = {
    callPackage = _: _: "/nix/store/package";
    formats.yaml = _: {
      type = "yaml";
      generate = name: value: { inherit name value; };
    };
  };
  evaluated = import ../../../packaging/nix/module.nix {
    inherit lib pkgs;
    config = {
      programs.vfio-hook = builtins.mapAttrs (name: option: settings.${name} or option.default) evaluated.options.programs.vfio-hook;
      virtualisation.libvirtd.enable = libvirtd;
    };
  };
in
{
  inherit (evaluated) config;
  options = builtins.mapAttrs (_: option: { inherit (option) description; }) evaluated.options.programs.vfio-hook;
}
