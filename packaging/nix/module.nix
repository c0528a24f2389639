# A module for NixOS. In a configuration:
#
#   imports = [ ./vfio-hook/packaging/nix/module.nix ];
#   programs.vfio-hook = {
#     enable = true;
#     domains.win11.services.stop = [ "ollama" ];
#   };
#
# docs/packaging.md says what is otherwise than on other distributions.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.programs.vfio-hook;
  format = pkgs.formats.yaml { };

  # Copied, not linked: vfio-hook takes a configuration from a file that belongs to root, and says whose it is otherwise.
  file = name: value: {
    source = format.generate (baseNameOf name) value;
    mode = "0644";
  };

  # The names that need no % in them (docs/configuration.md).
  plain = name: builtins.match "[A-Za-z0-9_][A-Za-z0-9._-]*" name != null;
in
{
  options.programs.vfio-hook = {
    enable = lib.mkEnableOption "vfio-hook, which hands host PCI devices to libvirt's guests and takes them back";

    package = lib.mkOption {
      type = lib.types.package;
      default = pkgs.callPackage ./package.nix { };
      defaultText = lib.literalExpression "pkgs.callPackage ./package.nix { }";
      description = "The package of vfio-hook.";
    };

    config = lib.mkOption {
      inherit (format) type;
      default = { };
      example = {
        timeouts.run = "3m";
      };
      description = "What is in /etc/vfio-hook/config.yaml: see vfio-hook.yaml(5). Without it there is no such file, and none is needed.";
    };

    domains = lib.mkOption {
      type = lib.types.attrsOf format.type;
      default = { };
      example = lib.literalExpression ''
        {
          win11.services.stop = [ "ollama" ];
        }
      '';
      description = "What is in /etc/vfio-hook/domains/GUEST.yaml, by the names of guests.";
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = config.virtualisation.libvirtd.enable;
        message = "programs.vfio-hook is a hook of libvirt's: set virtualisation.libvirtd.enable = true.";
      }
    ]
    ++ map (name: {
      assertion = plain name;
      message = "programs.vfio-hook.domains: the guest \"${name}\" needs a file with another name; write it with environment.etc (see configuration.md).";
    }) (builtins.attrNames cfg.domains);

    environment.systemPackages = [ cfg.package ];

    # NixOS links it as /var/lib/libvirt/hooks/qemu.d/50-vfio-hook, and removes whatever else is in that directory.
    virtualisation.libvirtd.hooks.qemu."50-vfio-hook" = "${cfg.package}/bin/vfio-hook";

    environment.etc =
      lib.optionalAttrs (cfg.config != { }) {
        "vfio-hook/config.yaml" = file "config.yaml" cfg.config;
      }
      // builtins.listToAttrs (
        map (name: {
          name = "vfio-hook/domains/${name}.yaml";
          value = file "${name}.yaml" cfg.domains.${name};
        }) (builtins.attrNames cfg.domains)
      );

    # The units; NixOS does not look at [Install].
    systemd.packages = [ cfg.package ];
    systemd.services.vfio-hook-recover.wantedBy = [
      "libvirtd.service"
      "virtqemud.service"
    ];
    # Their ExecStart take sh and sleep from PATH, which NixOS sets for services that it knows of.
    systemd.services."vfio-hook-latency@".overrideStrategy = "asDropin";
    systemd.services.vfio-hook-awake.overrideStrategy = "asDropin";

    services.logrotate.settings."/var/log/libvirt/vfio-hook.log" = {
      frequency = "weekly";
      rotate = 4;
      maxsize = "1M";
      missingok = true;
      notifempty = true;
      compress = true;
      delaycompress = true;
      nocreate = true;
    };
  };
}
