supervisor-package:
  pkg.installed:
    - pkgs: [supervisor]

supervisor-service:
  service.running:
    - name: supervisor
    - enable: True
    - require:
      - pkg: supervisor-package
