gunicorn:
  user: avuser
  group: avuser
  chdir: /opt/phagescan
  virtualenv: /opt/phagescan-venv
  application: scaggr.wsgi
  environment: {DJANGO_SETTINGS_MODULE: scaggr.settings}
  bind: 127.0.0.1:9000
  log_dir: /var/log/phagescan
  mode_key: phagescan:mode
