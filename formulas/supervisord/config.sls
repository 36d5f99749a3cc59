{%- from 'supervisord/map.jinja' import supervisord with context %}
include:
  - supervisord.install

# Debian calls the service `supervisor`; this is its second name.
supervisord-name:
  file.symlink:
{%- if grains['init'] == 'systemd' %}
    - name: /usr/local/lib/systemd/system/supervisord.service   # in /etc, `systemctl disable` would remove it
    - makedirs: True
    - target: /usr/lib/systemd/system/supervisor.service
{%- else %}
    - name: /etc/init.d/supervisord
    - target: supervisor
{%- endif %}
    - require:
      - pkg: supervisord-package
{%- for name, program in supervisord.programs.items() %}

supervisord-{{ name }}-config:
  file.managed:
    - name: /etc/supervisor/conf.d/{{ name }}.conf
    - source: salt://supervisord/files/program.conf.jinja
    - template: jinja
    - context: {name: {{ name }}, program: {{ program | tojson }}}
    - makedirs: True
    - mode: '0644'
    - require:
      - pkg: supervisord-package
{%- endfor %}
