# Phagescan's side of the scan master: its user, settings, samples, database's contents and static files.
{%- from 'application/map.jinja' import phagescan, site, tls with context %}
{%- set celery = salt['settings.get']('celery') %}
include:
  - application
  - postgresql.topology
  - rabbitmq.topology
{%- if (phagescan.get('tls') or {}).get('self_signed') %}

# Before the services that read it.
application-certificate:
  certificate.self_signed:
    - name: {{ tls.certificate }}
    - key: {{ tls.key }}
    - hosts: {{ salt['phagescan.allowed_hosts']() | tojson }}
    - order: 1
    - require:
      - file: application-secrets
{%- endif %}

application-group:
  group.present:
    - name: {{ phagescan.user }}
    - system: True

application-user:
  user.present:
    - name: {{ phagescan.user }}
    - home: {{ phagescan.root }}
    - createhome: False
    - shell: /bin/bash
    - system: True
    - gid: {{ phagescan.user }}
    - allow_gid_change: True
    - require:
      - group: application-group

application-logs:
  file.directory:
    - name: {{ phagescan.log_dir }}
    - user: {{ phagescan.user }}
    - group: adm
    - mode: '0750'
    - require:
      - user: application-user

application-logs-owned:
  owned_tree.kept:
    - name: {{ phagescan.log_dir }}
    - user: {{ phagescan.user }}
    - pattern: '*.log'
    - require:
      - file: application-logs

# nginx goes through it to the static files.
application-data:
  file.directory:
    - name: /var/lib/phagescan
    - user: root
    - group: root
    - mode: '0755'

# Mode 0700: only the application may read samples. Uploads are received in `incoming` and renamed into place.
application-samples:
  file.directory:
    - names: [{{ phagescan.scan.sample_root }}, {{ phagescan.scan.sample_root }}/incoming]
    - user: {{ phagescan.user }}
    - group: {{ phagescan.user }}
    - mode: '0700'
    - require:
      - file: application-data
      - user: application-user

application-samples-owned:
  owned_tree.kept:
    - name: {{ phagescan.scan.sample_root }}
    - user: {{ phagescan.user }}
    - group: {{ phagescan.user }}
    - dir_mode: '0700'
    - file_mode: '0600'
    - pattern: '[0-9a-f][0-9a-f]'
    - require:
      - file: application-samples

# In the order in which dev/ps_services.sh starts them.
application-services:
  file.managed:
    - name: /etc/phagescan/services
    - contents:
{%- for name, worker in celery.workers.items() if worker.get('role') == 'master' %}
      - {{ name }}
{%- endfor %}
      - supervisord
      - gunicorn
    - user: root
    - group: root
    - mode: '0644'
    - require:
      - file: application-secrets

{%- if grains['init'] == 'systemd' %}
{%- set units = '/etc/systemd/system/' %}

# The services reach broker and database, and nothing else.
application-network:
  file.managed:
    - names:
      - {{ units }}gunicorn.service.d/network.conf
{%- for name, worker in celery.workers.items() if worker.get('role') == 'master' %}
      - {{ units }}{{ name }}.service.d/network.conf
{%- endfor %}
    - contents: |
        # Managed by Salt.
        [Service]
        IPAddressDeny=any
        IPAddressAllow={{ salt['phagescan.peers']('master') | join(' ') }}
    - makedirs: True
    - user: root
    - group: root
    - mode: '0644'

# Two of them write samples: one receives them, one removes what was received by halves.
application-samples-writable:
  file.managed:
    - names:
      - {{ units }}gunicorn.service.d/samples.conf
{%- for name, worker in celery.workers.items() if worker.config == 'periodicceleryconfig' %}
      - {{ units }}{{ name }}.service.d/samples.conf
{%- endfor %}
    - contents: |
        # Managed by Salt.
        [Service]
        ReadWritePaths={{ phagescan.scan.sample_root }}
    - makedirs: True
    - user: root
    - group: root
    - mode: '0644'
{%- endif %}

application-logins-noted:
  phagescan.noted:
    - name: /etc/phagescan/master.toml

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
      - phagescan: application-logins-noted
      - file: application-secrets
      - user: application-user

# What processes had open stays open; from here on only the new passwords let in.
application-logins-rotated:
  phagescan.rotated:
    - name: /etc/phagescan/master.toml
    - user: {{ phagescan.user }}
    - require:
      - source_tree: application-code
      - file: application-config
      - python_lock: application-virtualenv
      - postgresql_topology: postgresql-topology
      - rabbitmq_topology: rabbitmq-written

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
