include:
  - gunicorn.config
  - gunicorn.service
