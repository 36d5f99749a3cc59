# Where systemd runs, logrotate brings its own timer; elsewhere cron starts it.
application-logrotate-packages:
  packages.installed:
    - pkgs: {{ ['logrotate'] + (['cron'] if grains['init'] != 'systemd' else []) }}

application-logrotate:
  file.managed:
    - name: /etc/logrotate.d/phagescan
    - source: salt://application/files/logrotate.jinja
    - template: jinja
    - makedirs: True
    - user: root
    - group: root
    - mode: '0644'
{%- if grains['init'] == 'systemd' %}

application-logrotate-timer:
  daemon.running:
    - name: logrotate.timer
    - require:
      - packages: application-logrotate-packages
{%- else %}

application-cron:
  daemon.running:
    - name: cron
    - pidfile: /run/crond.pid
    - require:
      - packages: application-logrotate-packages
{%- endif %}
