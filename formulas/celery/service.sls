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
{%- for name in celery.elsewhere %}

# Of a role that this host does not have, or no longer.
celery-{{ name }}-service:
  daemon.dead:
    - name: {{ name }}
    - pidfile: /run/{{ name }}/{{ name }}.pid

celery-{{ name }}-absent:
  file.absent:
    - names:
{%- for path in (['/etc/systemd/system/' ~ name ~ '.service'] if grains['init'] == 'systemd' else ['/etc/init.d/' ~ name, '/etc/default/' ~ name]) %}
      - {{ path }}
{%- endfor %}
    - require:
      - daemon: celery-{{ name }}-service
{%- endfor %}
