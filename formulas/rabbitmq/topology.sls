#!yaml
include:
  - rabbitmq.service

# Users, vhosts, permissions and policies. The state reads them from pillar itself, so that no password is rendered.
rabbitmq-topology:
  rabbitmq_topology.managed:
    - name: rabbitmq
    - require:
      - daemon: rabbitmq-service
