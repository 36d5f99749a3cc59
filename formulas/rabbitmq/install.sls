#!yaml
include:
  - rabbitmq.config

rabbitmq-package:
  pkg.installed:
    - pkgs: [rabbitmq-server]
    - require:
      - sls: rabbitmq.config   # its first start, in the package's own script, makes the database under the node's name
