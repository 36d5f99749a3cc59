#!yaml
nginx-package:
  packages.installed:
    - pkgs: [nginx]
