{%- from 'rabbitmq/map.jinja' import ours, rabbitmq, tls with context %}
{%- set pem, config = '/etc/rabbitmq/tls/server.pem', '/etc/rabbitmq/conf.d/60-tls.conf' %}
include:
  - rabbitmq.install
{%- if ours and tls %}

# The package brings the group. A renewed certificate is read within two minutes, without a restart.
rabbitmq-certificate:
  certificate.copied:
    - name: {{ pem }}
    - certificate: {{ tls.certificate }}
    - key: {{ tls.key }}
    - group: rabbitmq
    - require:
      - packages: rabbitmq-package

# A file of its own: the package starts the broker before there can be a certificate that it may read.
rabbitmq-tls:
  file.managed:
    - name: {{ config }}
    - contents: |
        # Managed by Salt, formula rabbitmq.
        listeners.ssl.1 = {{ rabbitmq.listen }}:{{ rabbitmq.tls_port }}
        ssl_options.certfile = {{ pem }}
        ssl_options.keyfile = {{ pem }}
        ssl_options.versions.1 = tlsv1.3
        ssl_options.versions.2 = tlsv1.2
        ssl_options.verify = verify_none
        ssl_options.fail_if_no_peer_cert = false
    - user: root
    - group: root
    - mode: '0644'
    - require:
      - certificate: rabbitmq-certificate
{%- else %}

# What restarts the broker is rabbitmq-config, which says so, too.
rabbitmq-tls-absent:
  file.absent:
    - names: [{{ config }}, {{ pem }}]
{%- endif %}
