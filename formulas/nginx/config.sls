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
      - packages: nginx-package

# Renewed at its place, it is another file here, and nginx is reloaded.
nginx-certificate:
{%- if nginx.tls %}
  certificate.copied:
    - name: {{ pem }}
    - certificate: {{ nginx.tls.certificate }}
    - key: {{ nginx.tls.key }}
    - require:
      - packages: nginx-package
{%- else %}
  file.absent:
    - name: {{ pem }}
{%- endif %}

# Debian's 768 for each processor are soon held by slow clients. What is in modules-enabled belongs to the main context.
nginx-files:
  file.managed:
    - name: /etc/nginx/modules-enabled/90-files.conf
    - contents: |
        # Managed by Salt, formula nginx.
        worker_rlimit_nofile {{ 2 * nginx.worker_connections + 1024 }};
    - user: root
    - group: root
    - mode: '0644'
    - require:
      - packages: nginx-package

nginx-connections:
{%- if (opts['test'] | default(False)) and not salt['file.file_exists']('/etc/nginx/nginx.conf') %}
  test.succeed_with_changes:   # a preview, to which the package has not brought the file yet
    - name: /etc/nginx/nginx.conf
{%- else %}
  file.replace:
    - name: /etc/nginx/nginx.conf
    - pattern: '^(\s*worker_connections)\s+\d+;'
    - repl: '\1 {{ nginx.worker_connections }};'
{%- endif %}
    - require:
      - packages: nginx-package
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
        hsts: {{ nginx.hsts | tojson }}
    - makedirs: True
    - user: root
    - group: root
    - mode: '0644'
    - require:
      - packages: nginx-package

nginx-site-{{ name }}-enabled:
  file.symlink:
    - name: /etc/nginx/sites-enabled/{{ name }}
    - target: ../sites-available/{{ name }}
    - force: True
    - makedirs: True
    - require:
      - file: nginx-site-{{ name }}
{%- endfor %}
