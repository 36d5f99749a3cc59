nginx-package:
  pkg.installed:
    - pkgs: [nginx]
    - install_recommends: False

nginx-default-site:
  file.absent:
    - name: /etc/nginx/sites-enabled/default
    - require:
      - pkg: nginx-package
{%- for name, site in pillar['nginx']['sites'].items() %}

nginx-site-{{ name }}:
  file.managed:
    - name: /etc/nginx/sites-available/{{ name }}
    - source: salt://nginx/files/site.jinja
    - template: jinja
    - context: {site: {{ site | tojson }}}
    - user: root
    - group: root
    - mode: '0644'
    - require:
      - pkg: nginx-package

nginx-site-{{ name }}-enabled:
  file.symlink:
    - name: /etc/nginx/sites-enabled/{{ name }}
    - target: ../sites-available/{{ name }}
    - require:
      - file: nginx-site-{{ name }}
{%- endfor %}

nginx-service:
  service.running:
    - name: nginx
    - enable: True
    - reload: True
    - watch:
      - file: nginx-default-site
{%- for name in pillar['nginx']['sites'] %}
      - file: nginx-site-{{ name }}
      - file: nginx-site-{{ name }}-enabled
{%- endfor %}
