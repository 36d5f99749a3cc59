{%- set version = salt['postgresql_topology.version']() %}

# The package makes its cluster when it is installed; without this, in the locale apt happens to run in.
postgresql-createcluster:
  file.managed:
    - name: /etc/postgresql-common/createcluster.d/salt.conf
    - source: salt://postgresql/files/createcluster.conf
    - makedirs: True
    - user: root
    - group: root
    - mode: '0644'

postgresql-package:
  pkg.installed:
    - pkgs: [postgresql-{{ version }}]
    - cache_valid_time: 600   # s; older package lists are fetched anew
    - require:
      - file: postgresql-createcluster
