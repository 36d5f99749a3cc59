#!yaml
include:
  - rabbitmq.install
  - rabbitmq.config
  - rabbitmq.tls
  - rabbitmq.service
  - rabbitmq.topology
