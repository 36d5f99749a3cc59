#!yaml
include:
  - gunicorn.config
  - gunicorn.service
