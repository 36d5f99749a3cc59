{%- set mode_key = salt['pillar.get']('gunicorn:mode_key') %}
{%- set development = mode_key and salt['pillar.get'](mode_key) == 'development' %}
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
