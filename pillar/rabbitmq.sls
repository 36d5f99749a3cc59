# Passwords: credentials.sls. Permissions are vhost: [configure, write, read].
rabbitmq:
  vhosts: [phage]
  users:
    phagemasteruser: {tags: [], permissions: {phage: ['.*', '.*', '.*']}}
    phageworkeruser:
      tags: []
      permissions: {phage: ['.*', '.*', '.*']}
      # Its engines' queues, its control mailbox, and the exchanges that take what it sends.
      least:
        phage:
          - '^(engine\.[a-z0-9_]+|celeryev|(reply\.)?celery\.pidbox|scan@.+\.celery\.pidbox)$'
          - '^(results|celeryev|reply\.celery\.pidbox|scan@.+\.celery\.pidbox)$'
          - '^(engine\.[a-z0-9_]+|celery\.pidbox|scan@.+\.celery\.pidbox)$'
  # true: a user that has `least` gets that in place of its `permissions`; so it is where the broker listens to other
  # hosts, and master and workers have a login each.
  # least_privilege: true
  # Where phagescan:tls is set, clients on other hosts, which `listen` lets in, speak AMQPS.
  # What is listed here is removed; users and vhosts that nothing lists stay.
  absent: {users: [guest], vhosts: []}
