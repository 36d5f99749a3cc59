{%- from 'postgresql/map.jinja' import postgresql with context %}
include:
  - postgresql.service

# Roles, databases and extensions. The state reads them from pillar itself, so that no password is rendered.
postgresql-topology:
  postgresql_topology.managed:
    - name: postgresql
    - port: {{ postgresql.port }}
    - require:
      - sls: postgresql.service
