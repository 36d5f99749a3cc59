{%- from 'postgresql/map.jinja' import version with context %}
include:
  - postgresql.install

postgresql-service:
  daemon.running:
    - name: postgresql
    - pidfile: /run/postgresql/{{ version }}-main.pid
    - require:
      - postgresql_cluster: postgresql-main
{%- if grains['init'] == 'systemd' %}

# `postgresql` is only a name for all clusters; systemd calls it active while this one is down.
postgresql-cluster:
  daemon.running:
    - name: postgresql@{{ version }}-main
    - require:
      - daemon: postgresql-service
{%- endif %}
