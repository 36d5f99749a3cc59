#!yaml
include:
  - rabbitmq.service

# Users, vhosts, permissions and policies. The state reads them from pillar itself, so that no password is rendered.
rabbitmq-topology:
  rabbitmq_topology.managed:
    - name: rabbitmq
    - require:
      - daemon: rabbitmq-service

# Comes when it is asked for, or last: the broker writes while other services are looked at.
rabbitmq-written:
  rabbitmq_topology.written:
    - order: last
    - require:
      - rabbitmq_topology: rabbitmq-topology
