#!yaml
# libmagic
application-libmagic:
  pkg.installed:
    - pkgs: [file]
    - install_recommends: False
