#!yaml
nginx-package:
  pkg.installed:
    - pkgs: [nginx]
