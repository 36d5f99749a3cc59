#!yaml
# libmagic
application-libmagic:
  packages.installed:
    - pkgs: [file]
