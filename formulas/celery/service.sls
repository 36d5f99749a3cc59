{%- from 'celery/map.jinja' import celery with context %}
{%- set development = celery.mode_key and salt['pillar.get'](celery.mode_key) == 'development' %}
include:
  - celery.config
{%- for name in celery.workers %}

celery-{{ name }}-service:
  daemon.{{ 'dead' if development else 'running' }}:
    - name: {{ name }}
    - pidfile: /run/{{ name }}/{{ name }}.pid
    - watch:
{%- for kind in (['unit'] if grains['init'] == 'systemd' else ['default', 'init']) %}
      - file: celery-{{ name }}-{{ kind }}
{%- endfor %}
{%- endfor %}
