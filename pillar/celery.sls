# User, group, directories, virtualenv and mode are those of phagescan; role worker has those of phagescan:worker.
celery:
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
      # Its engines put themselves into a network namespace of their own and behind Landlock, which is not yet among
      # these calls on Debian 12; what is not allowed fails, and the worker says so.
      unit:
        RestrictNamespaces: user net
        SystemCallFilter: '@system-service landlock_create_ruleset landlock_add_rule landlock_restrict_self'
        UMask: '0077'
