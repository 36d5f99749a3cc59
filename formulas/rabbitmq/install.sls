#!yaml
include:
  - rabbitmq.config

rabbitmq-package:
  pkg.installed:
    - pkgs: [rabbitmq-server]
    - cache_valid_time: 600   # s; older package lists are fetched anew
    - require:
      - sls: rabbitmq.config   # its first start, in the package's own script, makes the database under the node's name
