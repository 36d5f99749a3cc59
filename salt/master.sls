# The scan master: the services, and Phagescan between them.
include:
  - ownership
  - apt
  - rabbitmq
  - postgresql
  - application.master
  - application.logrotate
  - celery
  - gunicorn
  - supervisord
  - nginx
  - settled

# What runs our code is started once its logins and tables exist, and again when code, packages or settings change.
{%- set celery = salt['settings.get']('celery') %}
{%- set supervisord = salt['settings.get']('supervisord') %}
{%- set production = celery.mode != 'development' %}
{%- set services = {'gunicorn-service': 'daemon'} %}
{%- for name, worker in celery.workers.items() if worker.get('role') == 'master' %}
{%- do services.update({'celery-' ~ name ~ '-service': 'daemon'}) %}
{%- endfor %}
{%- for name in supervisord.programs if production %}
{%- do services.update({'supervisord-' ~ name: 'supervisor_program'}) %}
{%- endfor %}
extend:
{%- for id, state in services.items() %}
  {{ id }}:
    {{ state }}:
{%- if state == 'daemon' and production %}
      - together: True
{%- endif %}
      - require:
        - rabbitmq_topology: rabbitmq-written
        - django_site: application-migrations
        - file: application-celeryd
        - owned_tree: application-logs-owned
        - owned_tree: application-samples-owned
      - watch:
        - source_tree: application-code
        - file: application-config
        - python_lock: application-virtualenv
{%- if state == 'daemon' and grains['init'] == 'systemd' %}
        - file: application-network
        - file: application-samples-writable
{%- endif %}
{%- endfor %}
