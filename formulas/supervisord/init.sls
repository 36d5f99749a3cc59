#!yaml
include:
  - supervisord.install
  - supervisord.config
  - supervisord.service
