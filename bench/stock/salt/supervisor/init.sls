supervisor-package:
  pkg.installed:
    - name: supervisor

supervisor-service:
  service.running:
    - name: supervisor
    - enable: True
    - require:
      - pkg: supervisor-package
