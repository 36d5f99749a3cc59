# The scan worker: its user, its engines and its login at the broker. It has no login at the database.
{%- from 'application/map.jinja' import phagescan with context %}
{%- set rules = '/etc/phagescan/yara.d' %}
include:
  - application
{%- if 'clamav' in phagescan.engines %}
  - application.clamav
{%- endif %}

# Of no group that can read the master's files, and nobody's login.
application-worker-user:
  user.present:
    - name: {{ phagescan.worker.user }}
    - home: {{ phagescan.root }}
    - createhome: False
    - shell: /usr/sbin/nologin
    - system: True

application-worker-logs:
  file.directory:
    - name: {{ phagescan.worker.log_dir }}
    - user: {{ phagescan.worker.user }}
    - group: adm
    - mode: '0750'
    - require:
      - user: application-worker-user

application-worker-logins-noted:
  phagescan.noted:
    - name: /etc/phagescan/worker.toml

application-worker-config:
  file.managed:
    - name: /etc/phagescan/worker.toml
    - source: salt://application/files/worker.toml.jinja
    - template: jinja
    - context: {rules: {{ rules }}}
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
    - name: /etc/systemd/system/celeryd.service.d/network.conf
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

# libmagic, for the engine fileinfo.
application-libmagic:
  pkg.installed:
    - pkgs: [file]
    - install_recommends: False

application-yara-rules:
  file.directory:
    - name: {{ rules }}
    - user: root
    - group: root
    - mode: '0755'
    - clean: True
    - require:
      - file: application-secrets
{%- for name in phagescan.engines.get('yara', {}).get('rules', {}) %}

application-yara-rules-{{ name }}:
  file.managed:
    - name: {{ rules }}/{{ name }}.yar
    - contents_pillar: phagescan:engines:yara:rules:{{ name }}
    - user: root
    - group: root
    - mode: '0644'
    - require_in:
      - file: application-yara-rules
{%- endfor %}
