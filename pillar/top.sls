# Later files win; credentials.sls is missing until bootstrap or you make it.
base:
  '*':
    - ignore_missing: True
    - phagescan
    - rabbitmq
    - postgresql
    - nginx
    - gunicorn
    - celery
    - supervisord
    - credentials
