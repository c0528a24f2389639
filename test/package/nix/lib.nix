# As much of nixpkgs' lib as packaging/nix uses. Options are read as data and conditions are decided at once, so that
# `nix-instantiate --eval` alone shows what the module comes to.
rec {
  mkOption = option: option;
  mkEnableOption = name: {
    default = false;
    description = "Whether to enable ${name}.";
    type = types.bool;
  };
  mkIf = condition: content: if condition then content else { };
  literalExpression = text: text;
  types = {
    bool = "bool";
    package = "package";
    attrsOf = type: { attrsOf = type; };
  };
  optionalAttrs = condition: set: if condition then set else { };
  concatMapStringsSep =
    separator: change: list:
    builtins.concatStringsSep separator (map change list);
  makeBinPath = packages: builtins.concatStringsSep ":" (map (package: "${package}/bin") packages);
  getBin = package: package;
  escapeShellArg = text: "'${builtins.replaceStrings [ "'" ] [ "'\\''" ] text}'";
  importJSON = path: builtins.fromJSON (builtins.readFile path);
  cleanSource = path: path;
  licenses.mit = "mit";
  platforms.linux = [ "x86_64-linux" ];
}
