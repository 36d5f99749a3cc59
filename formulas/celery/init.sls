include:
  - celery.config
  - celery.service
