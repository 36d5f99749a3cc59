{%- from 'rabbitmq/map.jinja' import node, ours, rabbitmq, tls with context %}

rabbitmq-directory:
  file.directory:
    - names: [/etc/rabbitmq, /etc/rabbitmq/conf.d]

rabbitmq-environment:
  file.keyvalue:
    - name: /etc/rabbitmq/rabbitmq-env.conf
    - separator: '='
    - key_values:
        NODENAME: {{ node }}
{%- if ours %}
        # Erlang's own ports (distribution and epmd) are for rabbitmqctl on this host only.
        SERVER_ADDITIONAL_ERL_ARGS: '"-kernel inet_dist_use_interface {127,0,0,1}"'
        export ERL_EPMD_ADDRESS: 127.0.0.1
{%- endif %}
    - append_if_not_found: True
    - create_if_missing: True
    - require:
      - file: rabbitmq-directory

rabbitmq-config:
  file.managed:
    - name: /etc/rabbitmq/conf.d/50-salt.conf
    - source: salt://rabbitmq/files/rabbitmq.conf.jinja
    - template: jinja
    - context:
        ours: {{ ours }}
        listen: {{ '127.0.0.1' if tls else rabbitmq.listen }}
        port: {{ rabbitmq.port }}
        tls: {{ tls != {} }}
        consumer_timeout: {{ rabbitmq.consumer_timeout }}
    - user: root
    - group: root
    - mode: '0644'
    - require:
      - file: rabbitmq-directory
{%- if ours and grains['init'] == 'systemd' %}

rabbitmq-epmd-config:
  file.managed:
    - name: /etc/systemd/system/epmd.socket.d/loopback.conf
    - source: salt://rabbitmq/files/epmd.socket.conf.jinja
    - template: jinja
    - context: {port: {{ rabbitmq.ports.epmd }}}
    - makedirs: True
    - user: root
    - group: root
    - mode: '0644'
{%- endif %}

# Before Debian's on the PATH: the names that two commands had, del_user and del_vhost, work as well.
rabbitmq-rabbitmqctl:
  file.managed:
    - name: /usr/local/sbin/rabbitmqctl
    - source: salt://rabbitmq/files/rabbitmqctl
    - user: root
    - group: root
    - mode: '0755'
