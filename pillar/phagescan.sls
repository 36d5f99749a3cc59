phagescan:
  # production: everything is started on boot. development: our services are installed, but neither running nor enabled.
  mode: production
  # Roles of this host; where this stays out, the grain `roles` says, and else it has both.
  # roles: [master, worker]

  root: /opt/phagescan
  virtualenv: /opt/phagescan-venv
  user: avuser
  source: salt://phagescan
  static_root: /var/lib/phagescan/static
  log_dir: /var/log/phagescan

  # Names of hosts that Django answers for, besides that of worker:master_url; narrow it where they are known.
  allowed_hosts: ['*']
  time_zone: UTC

  # Proxies in front of this host (Traefik, HAProxy), by address or network: docs/operate.rst, "Behind a proxy".
  # proxies: [10.0.0.5]

  # TLS of the master: {self_signed: true}, or {certificate: <file>, key: <file>}; left out: none.
  # tls: {self_signed: true}

  # Logins of the application: names from rabbitmq:users and postgresql:roles, where their passwords are.
  broker: {host: 127.0.0.1, vhost: phage, master: phagemasteruser, worker: phageworkeruser}
  database: {host: 127.0.0.1, name: phage, user: citestsuper}
  # At the database it logs in as the user that it runs as, by the local socket: host and user there are not used.
  admin: {user: admin}

  # Samples: where they are, the largest that is taken (MiB), and how many seconds a scan may wait for its verdicts;
  # keep_free: MiB that uploads leave free where database or broker are on the same file system (512).
  scan: {sample_root: /var/lib/phagescan/samples, max_size: 100, expires: 1800}

  # The scan worker: its user, and how many samples it scans at a time. On a host without the master also how it reaches
  # that, master_url: http:// or https:// and the master's name; for a master with TLS broker:tls: true as well, and
  # ca_certs: <file>, where the system does not know who signed the master's certificate.
  worker: {user: avscan, log_dir: /var/log/phagescan-worker, concurrency: 2}

  # How far archives, mail and documents are looked into, where it is not as docs/containers.rst says.
  # unpack: {depth: 8, members: 1000, size: 512, seconds: 60, passwords: [infected, malware, virus]}

  # The worker's engines: <name of a module in engines/>: {timeout: <seconds>, memory: <MiB>, and what it knows itself}.
  engines:
    # rules: {<name>: <text of YARA rules>} adds to those of engines/rules.
    yara: {rules: {}}
    fileinfo: {}
    # Debian's clamd and freshclam; ClamAV's own signatures take more than a gigabyte of memory.
    # clamav: {}
