{%- from 'postgresql/map.jinja' import postgresql with context %}
include:
  - postgresql.service

# Comes early: it connects while other things are looked at.
postgresql-asked:
  postgresql_topology.asked:
    - port: {{ postgresql.port }}
    - order: 1

# Roles, databases and extensions. The state reads them from pillar itself, so that no password is rendered.
postgresql-topology:
  postgresql_topology.managed:
    - name: postgresql
    - port: {{ postgresql.port }}
    - require:
      - sls: postgresql.service
