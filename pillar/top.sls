# Later files win. local.sls is for what this site sets; credentials.sls is made by bootstrap. Git ignores both.
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
    - local
    - credentials
