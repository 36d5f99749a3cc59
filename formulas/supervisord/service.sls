{%- from 'supervisord/map.jinja' import supervisord with context %}
{%- set development = supervisord.mode == 'development' %}
include:
  - supervisord.config

supervisord-service:
  daemon.{{ 'dead' if development else 'running' }}:
    - name: {{ 'supervisor' if grains['init'] == 'systemd' else 'supervisord' }}
    - pidfile: /run/supervisord.pid
    - require:
      - sls: supervisord.config
{%- if grains['init'] == 'systemd' %}
    - watch:
      - file: supervisord-hardening
{%- endif %}
{%- for name in supervisord.programs if not development %}

# supervisord itself goes on: it may run programs that are not ours.
supervisord-{{ name }}:
  supervisor_program.running:
    - name: {{ name }}
    - require:
      - daemon: supervisord-service
    - watch:
      - file: supervisord-{{ name }}-config
{%- endfor %}
