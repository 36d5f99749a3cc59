postgresql-package:
  pkg.installed:
    - pkgs: [postgresql, logrotate]
    - install_recommends: False

postgresql-service:
  service.running:
    - name: postgresql
    - enable: True
    - require:
      - pkg: postgresql-package
{%- for name, role in pillar['postgresql']['roles'].items() %}

postgresql-role-{{ name }}:
  postgres_user.present:
    - name: {{ name }}
    - password: {{ role['password'] | yaml_dquote }}
    - encrypted: scram-sha-256
    - login: True
    - createdb: {{ role['createdb'] }}
    - superuser: {{ role['superuser'] }}
    - require:
      - service: postgresql-service
{%- endfor %}
{%- for name, database in pillar['postgresql']['databases'].items() %}

postgresql-database-{{ name }}:
  postgres_database.present:
    - name: {{ name }}
    - owner: {{ database['owner'] }}
    - require:
      - postgres_user: postgresql-role-{{ database['owner'] }}
{%- for extension in database.get('extensions', []) %}

postgresql-extension-{{ name }}-{{ extension }}:
  postgres_extension.present:
    - name: {{ extension }}
    - maintenance_db: {{ name }}
    - require:
      - postgres_database: postgresql-database-{{ name }}
{%- endfor %}
{%- endfor %}
