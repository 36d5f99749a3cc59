#!yaml
include:
  - celery.config
  - celery.service
