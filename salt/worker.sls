# A scan worker: Phagescan's code, its engines and its broker login, and no database.
{%- set celery = salt['settings.get']('celery') %}
include:
  - ownership
  - apt
  - application.worker
  - application.logrotate
  - celery
  - settled

# Started once there is what it needs, and again when that changes.
extend:
{%- for name, worker in celery.workers.items() if worker.get('role') == 'worker' %}
  celery-{{ name }}-service:
    daemon:
{%- if celery.mode != 'development' %}
      - together: True
{%- endif %}
      - require:
        - file: application-celeryd
        - owned_tree: application-worker-logs-owned
{%- if 'master' in salt['phagescan.roles']() %}
        - rabbitmq_topology: rabbitmq-written
{%- endif %}
      - watch:
        - source_tree: application-code
        - file: application-worker-config
{%- if grains['init'] == 'systemd' %}
        - file: application-worker-network
{%- endif %}
        - python_lock: application-virtualenv
{%- endfor %}
