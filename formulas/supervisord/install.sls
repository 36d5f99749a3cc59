#!yaml
supervisord-package:
  packages.installed:
    - pkgs: [supervisor]
