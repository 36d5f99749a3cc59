{%- from 'gunicorn/map.jinja' import gunicorn with context %}
{%- import_yaml 'hardening.yaml' as hardening %}

gunicorn-config:
  file.managed:
    - name: /etc/gunicorn/gunicorn.conf.py
    - source: salt://gunicorn/files/gunicorn.conf.py.jinja
    - template: jinja
    - context: {gunicorn: {{ gunicorn | tojson }}}
    - makedirs: True
    - user: root
    - group: root
    - mode: '0644'
{%- if grains['init'] == 'systemd' %}

gunicorn-unit:
  file.managed:
    - name: /etc/systemd/system/gunicorn.service
    - source: salt://gunicorn/files/gunicorn.service.jinja
    - template: jinja
    - context: {gunicorn: {{ gunicorn | tojson }}, hardening: {{ hardening | tojson }}}
    - user: root
    - group: root
    - mode: '0644'
{%- else %}

gunicorn-default:
  file.managed:
    - name: /etc/default/gunicorn
    - source: salt://gunicorn/files/gunicorn.default.jinja
    - template: jinja
    - context: {gunicorn: {{ gunicorn | tojson }}}
    - user: root
    - group: root
    - mode: '0644'

gunicorn-init:
  file.managed:
    - name: /etc/init.d/gunicorn
    - source: salt://gunicorn/files/gunicorn.init.jinja
    - template: jinja
    - user: root
    - group: root
    - mode: '0755'
{%- endif %}
