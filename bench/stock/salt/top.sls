base:
  '*':
    - rabbitmq
    - postgresql
    - nginx
    - supervisor
