{%- from 'nginx/map.jinja' import nginx with context %}
{%- set pem = '/etc/nginx/tls/server.pem' %}
include:
  - nginx.install

# The package brings it.
nginx-default-site:
  dpkg.link_absent:
    - name: /etc/nginx/sites-enabled/default
    - comes_with: /etc/nginx/nginx.conf
    - require:
      - pkg: nginx-package

# Renewed at its place, it is another file here, and nginx is reloaded.
nginx-certificate:
{%- if nginx.tls %}
  certificate.copied:
    - name: {{ pem }}
    - certificate: {{ nginx.tls.certificate }}
    - key: {{ nginx.tls.key }}
    - require:
      - pkg: nginx-package
{%- else %}
  file.absent:
    - name: {{ pem }}
{%- endif %}
{%- for name, site in nginx.sites.items() %}

nginx-site-{{ name }}:
  file.managed:
    - name: /etc/nginx/sites-available/{{ name }}
    - source: salt://nginx/files/site.jinja
    - template: jinja
    - context:
        name: {{ name | tojson }}
        site: {{ site | tojson }}
        pem: {{ (pem if nginx.tls else '') | tojson }}
        tls_port: {{ nginx.tls_port }}
    - makedirs: True
    - user: root
    - group: root
    - mode: '0644'
    - require:
      - pkg: nginx-package

nginx-site-{{ name }}-enabled:
  file.symlink:
    - name: /etc/nginx/sites-enabled/{{ name }}
    - target: ../sites-available/{{ name }}
    - force: True
    - makedirs: True
    - require:
      - file: nginx-site-{{ name }}
{%- endfor %}
