# Phagescan's side of the scan master: its settings, its database's contents, its static files.
{%- from 'application/map.jinja' import phagescan, site with context %}
include:
  - application
  - application.worker
  - postgresql.topology

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

application-migrations:
  django_site.migrated:
    - name: {{ site.database }}
    - site: {{ site | tojson }}
    - require:
      - file: application-code
      - file: application-config
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
      - file: application-code
      - python_lock: application-virtualenv
