#!yaml
supervisord-package:
  pkg.installed:
    - pkgs: [supervisor]
    - install_recommends: False
    - cache_valid_time: 600   # s; older package lists are fetched again
