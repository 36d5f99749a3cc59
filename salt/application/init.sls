# What every role of Phagescan needs: its code, virtualenv and directory of settings.
{%- from 'application/map.jinja' import phagescan with context %}

# TLS clients (workers, freshclam, libpq) trust ca-certificates, which their packages only recommend.
application-python:
  packages.installed:
    - pkgs: [python3-venv, ca-certificates]

# Owned by root: services cannot change the code they run. The script must be executable whatever the checkout's modes.
application-code:
  source_tree.copied:
    - name: {{ phagescan.root }}
    - source: {{ phagescan.source }}
    - executable: [dev/ps_services.sh]
    - keep: [.profile]

application-profile:
  file.managed:
    - name: {{ phagescan.root }}/.profile
    - contents: |
        # Managed by Salt: python, celery and celeryd of the virtualenv.
        PATH={{ phagescan.virtualenv }}/bin:$PATH
    - user: root
    - group: root
    - mode: '0644'
    - require:
      - source_tree: application-code

application-virtualenv:
  python_lock.installed:
    - name: {{ phagescan.virtualenv }}
    - source: {{ phagescan.source }}/requirements.txt
    - require:
      - packages: application-python

# The manual's command, gone from Celery 5.
application-celeryd:
  file.managed:
    - name: {{ phagescan.virtualenv }}/bin/celeryd
    - source: salt://application/files/celeryd.jinja
    - template: jinja
    - context: {phagescan: {{ {'root': phagescan.root, 'virtualenv': phagescan.virtualenv} | tojson }}}
    - user: root
    - group: root
    - mode: '0755'
    - require:
      - python_lock: application-virtualenv

# Each file in it is its one reader's.
application-secrets:
  file.directory:
    - name: /etc/phagescan
    - user: root
    - group: root
    - mode: '0755'
