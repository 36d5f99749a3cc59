{%- set blocked = salt['rabbitmq_upgrade.blocked']() %}
include:
  - rabbitmq.config

rabbitmq-package:
  packages.installed:
    - pkgs: [rabbitmq-server, logrotate]   # the second is only recommended on Debian 13
    - require:
      # Its first start, in the package's own script, makes the database under the node's name.
      - sls: rabbitmq.config

# No upgrade of the system ends with a broker that does not start. apt-mark hold would keep fixes away as well.
rabbitmq-pin:
{%- if blocked %}
  file.managed:
    - name: /etc/apt/preferences.d/salt-rabbitmq.pref
    - source: salt://rabbitmq/files/salt-rabbitmq.pref
    - user: root
    - group: root
    - mode: '0644'
    - require:
      - packages: rabbitmq-package
{%- else %}
  file.absent:
    - name: /etc/apt/preferences.d/salt-rabbitmq.pref
{%- endif %}
