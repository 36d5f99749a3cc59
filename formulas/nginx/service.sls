#!yaml
include:
  - nginx.config

nginx-service:
  daemon.running:
    - name: nginx
    - reload: True
    - check: /usr/sbin/nginx -t -q
    - pidfile: /run/nginx.pid
    - watch:
      - sls: nginx.config
