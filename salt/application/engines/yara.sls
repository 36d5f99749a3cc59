# Rules of pillar: option `rules`, a file each, besides those that come with the engine.
{%- from 'application/map.jinja' import phagescan, engine_files with context %}
{%- set celery = salt['settings.get']('celery') %}
{%- set folder = engine_files ~ '/yara.d' %}
{%- set rules = phagescan.engines.yara.get('rules', {}) %}
include:
  - application

application-yara-rules:
  file.directory:
    - name: {{ folder }}
    - user: root
    - group: root
    - mode: '0755'
    - clean: True
    - require:
      - file: application-secrets
    - watch_in:
{%- for name, worker in celery.workers.items() if worker.get('role') == 'worker' %}
      - daemon: celery-{{ name }}-service
{%- endfor %}
{%- if rules %}

application-yara-compiled:
  phagescan.compiled:
    - name: {{ folder }}
    - require:
      - source_tree: application-code
      - python_lock: application-virtualenv
      - user: application-worker-user
      - file: application-yara-rules
{%- endif %}
{%- for rule in rules %}

application-yara-rules-{{ rule }}:
  file.managed:
    - name: {{ folder }}/{{ rule }}.yar
    - contents_pillar: phagescan:engines:yara:rules:{{ rule }}
    - user: root
    - group: root
    - mode: '0644'
    - require_in:
      - file: application-yara-rules
    - watch_in:
{%- for name, worker in celery.workers.items() if worker.get('role') == 'worker' %}
      - daemon: celery-{{ name }}-service
{%- endfor %}
{%- endfor %}
