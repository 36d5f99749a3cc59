supervisord:
  programs:
    celerycam:
      command: /opt/phagescan-venv/bin/celery -A scaggr events --camera scaggr.camera.Camera --frequency 2
      user: avuser
      directory: /opt/phagescan
      environment: {DJANGO_SETTINGS_MODULE: scaggr.settings}
      logfile: /var/log/supervisor/celerycam.log
  mode_key: phagescan:mode
