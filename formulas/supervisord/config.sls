{%- from 'supervisord/map.jinja' import supervisord with context %}
{%- import_yaml 'hardening.yaml' as hardening %}
include:
  - supervisord.install

{%- if grains['init'] == 'systemd' %}

# Debian calls the service `supervisor`; this is its second name.
supervisord-name:
  file.symlink:
    - name: /usr/local/lib/systemd/system/supervisord.service   # in /etc, `systemctl disable` would remove it
    - target: /usr/lib/systemd/system/supervisor.service
    - makedirs: True
    - require:
      - packages: supervisord-package

supervisord-name-known:
  daemon.known:
    - name: supervisord
    - watch:
      - file: supervisord-name

# Programs of others may need more: where there are some, Debian's unit stays as it is.
{%- set ours = supervisord.programs.keys() | map('regex_replace', '$', '.conf') | list %}
{%- set all = salt['file.find']('/etc/supervisor/conf.d', maxdepth=1, name='*.conf', print='name') %}

supervisord-hardening:
{%- if all | difference(ours) %}
  file.absent:
    - name: /etc/systemd/system/supervisor.service.d/hardening.conf
{%- else %}
  file.managed:
    - name: /etc/systemd/system/supervisor.service.d/hardening.conf
    - source: salt://supervisord/files/hardening.conf.jinja
    - template: jinja
    - context: {supervisord: {{ supervisord | tojson }}, hardening: {{ hardening | tojson }}}
    - makedirs: True
    - user: root
    - group: root
    - mode: '0644'
{%- endif %}
{%- else %}

# Debian's own script, `supervisor`, does not wait for the end of what it stops.
supervisord-init:
  file.managed:
    - name: /etc/init.d/supervisord
    - source: salt://supervisord/files/supervisord.init.jinja
    - template: jinja
    - user: root
    - group: root
    - mode: '0755'
    - require:
      - packages: supervisord-package

supervisord-debian-init:
  daemon.disabled:
    - name: supervisor
    - pidfile: /run/supervisord.pid
    - require:
      - packages: supervisord-package
{%- endif %}
{%- for name, program in supervisord.programs.items() %}

supervisord-{{ name }}-config:
  file.managed:
    - name: /etc/supervisor/conf.d/{{ name }}.conf
    - source: salt://supervisord/files/program.conf.jinja
    - template: jinja
    - context: {name: {{ name }}, program: {{ program | tojson }}}
    - makedirs: True
    - user: root
    - group: root
    - mode: '0644'
    - require:
      - packages: supervisord-package
{%- endfor %}
