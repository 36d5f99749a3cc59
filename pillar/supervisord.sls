# User, directory, virtualenv and mode are those of phagescan.
supervisord:
  programs:
    celerycam:
      command: celery -A scaggr events --camera scaggr.camera.Camera --frequency 2
      logfile: /var/log/supervisor/celerycam.log
