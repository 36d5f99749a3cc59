celery:
  user: avuser
  group: avuser
  chdir: /opt/phagescan
  virtualenv: /opt/phagescan-venv
  environment: {DJANGO_SETTINGS_MODULE: scaggr.settings}
  log_dir: /var/log/phagescan
  type: notify
  workers:
    celeryd-master: {role: master, config: masterceleryconfig, hostname: master.master}
    celeryd-result: {role: master, config: resultsceleryconfig, hostname: master.results}
    celeryd-periodic: {role: master, config: periodicceleryconfig, hostname: master.periodic, beat: true}
    celeryd:
      role: worker
      config: workerceleryconfig
      hostname: scan@%h
      options: [--without-gossip, --without-mingle]
      user: avscan
      group: avscan
      environment: {}
      log_dir: /var/log/phagescan-worker
      # What it may not, where systemd runs. Engines put themselves into a network namespace of their own.
      unit:
        CapabilityBoundingSet: ''
        LockPersonality: true
        MemoryDenyWriteExecute: true
        PrivateDevices: true
        ProtectClock: true
        ProtectControlGroups: true
        ProtectHome: true
        ProtectHostname: true
        ProtectKernelLogs: true
        ProtectKernelModules: true
        ProtectKernelTunables: true
        ProtectProc: invisible
        ProtectSystem: strict
        RemoveIPC: true
        RestrictAddressFamilies: AF_UNIX AF_INET AF_INET6
        RestrictNamespaces: user net
        RestrictRealtime: true
        RestrictSUIDSGID: true
        SystemCallArchitectures: native
        # Landlock is not yet among these on Debian 12; what is not allowed fails, and the worker says so.
        SystemCallFilter: '@system-service landlock_create_ruleset landlock_add_rule landlock_restrict_self'
        SystemCallErrorNumber: EPERM
        UMask: '0077'
  mode_key: phagescan:mode
  roles: phagescan.roles
