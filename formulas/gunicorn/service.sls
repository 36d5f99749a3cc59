{%- from 'gunicorn/map.jinja' import gunicorn with context %}
{%- set development = gunicorn.mode == 'development' %}
include:
  - gunicorn.config

# A reload makes new workers behind the same socket, which loses no request.
gunicorn-service:
  daemon.{{ 'dead' if development else 'running' }}:
    - name: gunicorn
    - pidfile: /run/gunicorn/gunicorn.pid
{%- if not development %}
    - reload: True
{%- endif %}
    - watch:
      - sls: gunicorn.config
