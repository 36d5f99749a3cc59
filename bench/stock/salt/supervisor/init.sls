supervisor-package:
  pkg.installed:
    - pkgs: [supervisor]
    - install_recommends: False

supervisor-service:
  service.running:
    - name: supervisor
    - enable: True
    - require:
      - pkg: supervisor-package
