#!yaml
nginx-package:
  pkg.installed:
    - pkgs: [nginx]
    - install_recommends: False
    - cache_valid_time: 600   # s; older package lists are fetched again
