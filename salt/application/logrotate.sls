# Where systemd runs, logrotate brings its own timer; elsewhere cron starts it.
application-logrotate-packages:
  pkg.installed:
    - pkgs: {{ ['logrotate'] + (['cron'] if grains['init'] != 'systemd' else []) }}
    - install_recommends: False

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
      - pkg: application-logrotate-packages
{%- else %}

application-cron:
  daemon.running:
    - name: cron
    - pidfile: /run/crond.pid
    - require:
      - pkg: application-logrotate-packages
{%- endif %}
