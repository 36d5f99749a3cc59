{%- from 'celery/map.jinja' import celery with context %}
{%- set development = celery.mode == 'development' %}
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
{%- for name in celery.elsewhere %}

# Workers of roles that this host does not have: stopped and removed.
celery-{{ name }}-service:
  daemon.dead:
    - name: {{ name }}
    - pidfile: /run/{{ name }}/{{ name }}.pid

celery-{{ name }}-absent:
  file.absent:
    - names:
{%- if grains['init'] == 'systemd' %}
      - /etc/systemd/system/{{ name }}.service
{%- else %}
      - /etc/init.d/{{ name }}
      - /etc/default/{{ name }}
{%- endif %}
    - require:
      - daemon: celery-{{ name }}-service
{%- endfor %}
