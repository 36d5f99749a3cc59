base:
  '*':
    - rabbitmq
    - postgresql
    - nginx
    - supervisord
