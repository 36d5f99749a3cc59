#!yaml
supervisord-package:
  pkg.installed:
    - pkgs: [supervisor]
