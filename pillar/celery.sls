celery:
  user: avuser
  group: avuser
  chdir: /opt/phagescan
  virtualenv: /opt/phagescan-venv
  environment: {DJANGO_SETTINGS_MODULE: scaggr.settings}
  log_dir: /var/log/phagescan
  workers:
    celeryd-master: {config: masterceleryconfig, hostname: master.master, beat: false}
    celeryd-result: {config: resultsceleryconfig, hostname: master.results, beat: false}
    celeryd-periodic: {config: periodicceleryconfig, hostname: master.periodic, beat: true}
  mode_key: phagescan:mode
