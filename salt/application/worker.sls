# The scan worker: its user, its engines and its login at the broker. It has no login at the database.
{%- from 'application/map.jinja' import phagescan, engine_files with context %}
{%- set celery = salt['settings.get']('celery') %}
include:
  - application
{%- for name in phagescan.engines if 'application/engines/' ~ name ~ '.sls' in salt['served.files']() %}
  - application.engines.{{ name }}
{%- endfor %}

# What opens archives; the lock has what opens documents.
application-unpackers:
  packages.installed:
    - pkgs: [7zip, libarchive-tools]

application-worker-group:
  group.present:
    - name: {{ phagescan.worker.user }}
    - system: True

# In no group that can read the master's files, and without a login shell.
application-worker-user:
  user.present:
    - name: {{ phagescan.worker.user }}
    - home: {{ phagescan.root }}
    - createhome: False
    - shell: /usr/sbin/nologin
    - system: True
    - gid: {{ phagescan.worker.user }}
    - allow_gid_change: True
    - require:
      - group: application-worker-group

application-worker-logs:
  file.directory:
    - name: {{ phagescan.worker.log_dir }}
    - user: {{ phagescan.worker.user }}
    - group: adm
    - mode: '0750'
    - require:
      - user: application-worker-user

application-worker-logs-owned:
  owned_tree.kept:
    - name: {{ phagescan.worker.log_dir }}
    - user: {{ phagescan.worker.user }}
    - pattern: '*.log'
    - require:
      - file: application-worker-logs

application-worker-logins-noted:
  phagescan.noted:
    - name: /etc/phagescan/worker.toml

application-worker-config:
  file.managed:
    - name: /etc/phagescan/worker.toml
    - source: salt://application/files/worker.toml.jinja
    - template: jinja
    - context: {files: {{ engine_files }}}
    - user: root
    - group: {{ phagescan.worker.user }}
    - mode: '0640'
    - show_changes: False
    - require:
      - phagescan: application-worker-logins-noted
      - file: application-secrets
      - user: application-worker-user

application-worker-logins-rotated:
  phagescan.rotated:
    - name: /etc/phagescan/worker.toml
    - user: {{ phagescan.worker.user }}
    - require:
      - source_tree: application-code
      - file: application-worker-config
      - python_lock: application-virtualenv
{%- if 'master' in salt['phagescan.roles']() %}
      - rabbitmq_topology: rabbitmq-written
{%- endif %}

{%- if grains['init'] == 'systemd' %}

# The worker reaches broker and master, and nothing else.
application-worker-network:
  file.managed:
    - names:
{%- for name, worker in celery.workers.items() if worker.get('role') == 'worker' %}
      - /etc/systemd/system/{{ name }}.service.d/network.conf
{%- endfor %}
    - contents: |
        # Managed by Salt.
        [Service]
        IPAddressDeny=any
        IPAddressAllow={{ salt['phagescan.peers']('worker') | join(' ') }}
    - makedirs: True
    - user: root
    - group: root
    - mode: '0644'
{%- endif %}
