rabbitmq-package:
  pkg.installed:
    - pkgs: [rabbitmq-server, logrotate]
    - install_recommends: False

rabbitmq-service:
  service.running:
    - name: rabbitmq-server
    - enable: True
    - require:
      - pkg: rabbitmq-package

rabbitmq-guest:
  rabbitmq_user.absent:
    - name: guest
    - require:
      - service: rabbitmq-service
{%- for vhost in pillar['rabbitmq']['vhosts'] %}

rabbitmq-vhost-{{ vhost }}:
  rabbitmq_vhost.present:
    - name: {{ vhost }}
    - require:
      - service: rabbitmq-service
{%- endfor %}
{%- for name, user in pillar['rabbitmq']['users'].items() %}

rabbitmq-user-{{ name }}:
  rabbitmq_user.present:
    - name: {{ name }}
    - password: {{ user['password'] | yaml_dquote }}
    - perms:
{%- for vhost, rights in user['permissions'].items() %}
      - {{ vhost }}: {{ rights | tojson }}
{%- endfor %}
    - require:
{%- for vhost in user['permissions'] %}
      - rabbitmq_vhost: rabbitmq-vhost-{{ vhost }}
{%- endfor %}
{%- endfor %}
