#!yaml
supervisord-package:
  pkg.installed:
    - pkgs: [supervisor]
    - cache_valid_time: 600   # s; older package lists are fetched anew
