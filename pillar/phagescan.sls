phagescan:
  # production: everything is started on boot. development: our services are installed, but neither running nor enabled.
  mode: production
  # Roles of this host; where this stays out, the grain `roles` says, and else it is [master].
  # roles: [master]

  root: /opt/phagescan
  virtualenv: /opt/phagescan-venv
  user: avuser
  source: salt://phagescan
  static_root: /var/lib/phagescan/static
  log_dir: /var/log/phagescan

  # Names of hosts that Django answers for; narrow it where the host's names are known.
  allowed_hosts: ['*']
  time_zone: UTC

  # Logins of the application: names from rabbitmq:users and postgresql:roles, where their passwords stand.
  broker: {host: 127.0.0.1, vhost: phage, master: phagemasteruser, worker: phageworkeruser}
  database: {host: 127.0.0.1, name: phage, user: citestsuper}
  admin: {user: admin}
