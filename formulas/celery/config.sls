{%- from 'celery/map.jinja' import celery with context %}
{%- from 'celery/files/options.jinja' import options %}
{%- import_yaml 'hardening.yaml' as hardening %}
{%- for name, worker in celery.workers.items() %}
{%- set context = {'name': name, 'worker': worker, 'options': options(name, worker), 'hardening': hardening} %}
{%- if grains['init'] == 'systemd' %}

celery-{{ name }}-unit:
  file.managed:
    - name: /etc/systemd/system/{{ name }}.service
    - source: salt://celery/files/celeryd.service.jinja
    - template: jinja
    - context: {{ context | tojson }}
    - user: root
    - group: root
    - mode: '0644'
{%- else %}

celery-{{ name }}-default:
  file.managed:
    - name: /etc/default/{{ name }}
    - source: salt://celery/files/celeryd.default.jinja
    - template: jinja
    - context: {{ context | tojson }}
    - user: root
    - group: root
    - mode: '0644'

celery-{{ name }}-init:
  file.managed:
    - name: /etc/init.d/{{ name }}
    - source: salt://celery/files/celeryd.init.jinja
    - template: jinja
    - context: {{ context | tojson }}
    - user: root
    - group: root
    - mode: '0755'
{%- endif %}
{%- endfor %}
