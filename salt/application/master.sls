# Phagescan's side of the scan master: its user, settings, samples, database's contents and static files.
{%- from 'application/map.jinja' import phagescan, site with context %}
include:
  - application
  - postgresql.topology
{%- if salt['pillar.get']('phagescan:tls:self_signed') %}

# Before the services that read it.
application-certificate:
  certificate.self_signed:
    - name: {{ salt['phagescan.tls']().certificate }}
    - key: {{ salt['phagescan.tls']().key }}
    - hosts: {{ salt['phagescan.allowed_hosts']() | tojson }}
    - order: 1
{%- endif %}

application-user:
  user.present:
    - name: {{ phagescan.user }}
    - home: {{ phagescan.root }}
    - createhome: False
    - shell: /bin/bash
    - system: True

application-logs:
  file.directory:
    - name: {{ phagescan.log_dir }}
    - user: {{ phagescan.user }}
    - group: adm
    - mode: '0750'
    - require:
      - user: application-user

# nginx goes through it to the static files.
application-data:
  file.directory:
    - name: /var/lib/phagescan
    - user: root
    - group: root
    - mode: '0755'

# Nobody else's to look at. What is being received lies beside what is kept, to be renamed into place.
application-samples:
  file.directory:
    - names: [{{ phagescan.scan.sample_root }}, {{ phagescan.scan.sample_root }}/incoming]
    - user: {{ phagescan.user }}
    - group: {{ phagescan.user }}
    - mode: '0700'
    - require:
      - file: application-data
      - user: application-user

# Read from pillar in the template, so that no password is rendered into an SLS.
application-config:
  file.managed:
    - name: /etc/phagescan/master.toml
    - source: salt://application/files/master.toml.jinja
    - template: jinja
    - user: root
    - group: {{ phagescan.user }}
    - mode: '0640'
    - show_changes: False
    - require:
      - file: application-secrets
      - user: application-user

application-migrations:
  django_site.migrated:
    - name: {{ site.database }}
    - site: {{ site | tojson }}
    - require:
      - source_tree: application-code
      - file: application-config
      - file: application-samples
      - python_lock: application-virtualenv
      - postgresql_topology: postgresql-topology

application-admin:
  django_site.superuser:
    - name: {{ phagescan.admin.user }}
    - password_key: phagescan:admin:password
    - site: {{ site | tojson }}
    - require:
      - django_site: application-migrations

# Root's: what nginx serves is not the application's to change.
application-static:
  django_site.collected:
    - name: {{ phagescan.static_root }}
    - site: {{ site | tojson }}
    - require:
      - file: application-config
    - watch:
      - source_tree: application-code
      - python_lock: application-virtualenv
{%- if 'worker' not in salt['phagescan.roles']() %}

application-worker-login-absent:
  file.absent:
    - name: /etc/phagescan/worker.toml
{%- endif %}
