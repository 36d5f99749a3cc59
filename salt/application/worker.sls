# The workers' login at the broker.
{%- from 'application/map.jinja' import phagescan with context %}
include:
  - application

application-worker-config:
  file.managed:
    - name: /etc/phagescan/worker.toml
    - source: salt://application/files/worker.toml.jinja
    - template: jinja
    - user: root
    - group: {{ phagescan.user }}
    - mode: '0640'
    - show_changes: False
    - require:
      - file: application-secrets
