{%- from 'postgresql/map.jinja' import postgresql, version with context %}

# How clusters are made here: UTF-8, with checksums, and none by the package itself, which may come with others before
# what it requires (state_aggregate).
postgresql-createcluster:
  file.managed:
    - name: /etc/postgresql-common/createcluster.d/salt.conf
    - source: salt://postgresql/files/createcluster.conf
    - order: 1
    - makedirs: True
    - user: root
    - group: root
    - mode: '0644'

postgresql-package:
  packages.installed:
    - pkgs: [postgresql-{{ version }}, logrotate]   # the second is only recommended
    - require:
      - file: postgresql-createcluster

postgresql-main:
  postgresql_cluster.present:
    - name: {{ version }}/main
    - port: {{ postgresql.port }}
    - require:
      - packages: postgresql-package
