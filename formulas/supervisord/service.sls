{%- set mode_key = salt['pillar.get']('supervisord:mode_key') %}
{%- set development = mode_key and salt['pillar.get'](mode_key) == 'development' %}
include:
  - supervisord.config

supervisord-service:
  daemon.{{ 'dead' if development else 'running' }}:
    - name: {{ 'supervisor' if grains['init'] == 'systemd' else 'supervisord' }}
    - pidfile: /run/supervisord.pid
    - require:
      - sls: supervisord.config
{%- for name in salt['pillar.get']('supervisord:programs', {}) if not development %}

# supervisord itself goes on: it may run programs that are not ours.
supervisord-{{ name }}:
  supervisor_program.running:
    - name: {{ name }}
    - require:
      - daemon: supervisord-service
    - watch:
      - file: supervisord-{{ name }}-config
{%- endfor %}
