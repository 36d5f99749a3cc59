# ClamAV as Debian has it, for the engine of that name. Any signatures start clamd, and it takes the largest sample.
{%- from 'application/map.jinja' import phagescan with context %}
{%- set systemd = grains['init'] == 'systemd' %}
{%- set kinds = ['cvd', 'cld', 'hdb', 'hsb', 'mdb', 'msb', 'ndb', 'ldb', 'yar', 'yara'] %}
{%- set signatures = '/var/lib/clamav' %}
{%- set largest = [phagescan.scan.max_size, 2047] | min %}
{%- if systemd %}

# They would fetch signatures beside the service that does, and a boot or an installation would wait for them.
application-clamav-once:
  file.symlink:
    - names:
      - /etc/systemd/system/clamav-freshclam-once.service
      - /etc/systemd/system/clamav-freshclam-once.timer
    - target: /dev/null
    - require_in:
      - packages: application-clamav

application-clamav-path:
  file.managed:
    - name: /etc/systemd/system/clamav-signatures.path
    - source: salt://application/files/clamav-signatures.path.jinja
    - template: jinja
    - context: {signatures: {{ signatures }}}
    - user: root
    - group: root
    - mode: '0644'
    - require_in:
      - packages: application-clamav
{%- for kind in ('service', 'socket') %}

application-clamav-{{ kind }}:
  file.managed:
    - name: /etc/systemd/system/clamav-daemon.{{ kind }}.d/signatures.conf
    - source: salt://application/files/clamav-daemon.conf.jinja
    - template: jinja
    - context: {kind: {{ kind }}, kinds: {{ kinds | tojson }}, signatures: {{ signatures }}}
    - makedirs: True
    - user: root
    - group: root
    - mode: '0644'
    - require_in:
      - packages: application-clamav
{%- endfor %}

application-clamav-units:
  module.run:
    - service.systemctl_reload: []
    - onchanges:
      - file: application-clamav-service
      - file: application-clamav-socket
    - require_in:
      - packages: application-clamav
{%- else %}

application-clamav-default:
  file.managed:
    - name: /etc/default/clamav-daemon
    - source: salt://application/files/clamav-daemon.default.jinja
    - template: jinja
    - context: {kinds: {{ kinds | tojson }}, signatures: {{ signatures }}}
    - user: root
    - group: root
    - mode: '0644'
    - require_in:
      - packages: application-clamav
{%- endif %}

# Not together with other packages, which may be installed before what is above.
application-clamav:
  packages.installed:
    - pkgs: [clamav-daemon, clamav-freshclam]
    - aggregate: False

# The package reads its settings back from this file when it is upgraded, and keeps what it finds.
application-clamav-limits:
  file.keyvalue:
    - name: /etc/clamav/clamd.conf
    - key_values:
        StreamMaxLength: {{ largest }}M
        MaxFileSize: {{ largest }}M
        MaxScanSize: {{ [4 * largest, 2047] | min }}M
    - separator: ' '
    - append_if_not_found: True
    - ignore_if_missing: {{ opts['test'] | default(False) }}
    - require:
      - packages: application-clamav

application-freshclam:
  daemon.running:
    - name: clamav-freshclam
    - pidfile: /run/clamav/freshclam.pid
    - require:
      - packages: application-clamav
{%- if systemd %}

# Stands for clamd, which does not run before there are signatures: it starts clamd, and restarts it when restarted.
application-clamd:
  daemon.running:
    - name: clamav-signatures.path
    - require:
      - packages: application-clamav
    - watch:
      - file: application-clamav-limits
      - file: application-clamav-path
      - file: application-clamav-service
      - file: application-clamav-socket
{%- elif salt['file.find'](signatures, maxdepth=1, regex='.*[.](' ~ kinds | join('|') ~ ')$') %}

application-clamd:
  daemon.running:
    - name: clamav-daemon
    - pidfile: /run/clamav/clamd.pid
    - require:
      - packages: application-clamav
    - watch:
      - file: application-clamav-limits
{%- endif %}
