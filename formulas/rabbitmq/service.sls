{%- from 'rabbitmq/map.jinja' import ours, tls with context %}
include:
  - rabbitmq.install
  - rabbitmq.config
  - rabbitmq.tls
{%- if ours and grains['init'] == 'systemd' %}

rabbitmq-epmd:
  daemon.running:
    - name: epmd.socket
    - restart_with: [epmd.service]
    - require:
      - packages: rabbitmq-package
    - watch:
      - file: rabbitmq-epmd-config
    - require_in:
      - daemon: rabbitmq-service
{%- endif %}

rabbitmq-service:
  daemon.running:
    - name: rabbitmq-server
    - pidfile: /run/rabbitmq/pid
    - require:
      - packages: rabbitmq-package
      - sls: rabbitmq.tls
    - watch:
      - file: rabbitmq-environment
      - file: rabbitmq-config
{%- if ours and tls %}
      - file: rabbitmq-tls
{%- endif %}
