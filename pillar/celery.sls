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
      # Its engines put themselves into a network namespace of their own, behind Landlock and a filter of system calls;
      # what is not allowed on an older system fails, and the worker says so. They end first when memory is short.
      unit:
        RestrictNamespaces: user net
        SystemCallFilter: '@system-service landlock_create_ruleset landlock_add_rule landlock_restrict_self seccomp'
        MemoryMax: 75%
        OOMPolicy: continue
        UMask: '0077'
