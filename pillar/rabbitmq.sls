# Passwords: credentials.sls. Permissions are vhost: [configure, write, read].
rabbitmq:
  vhosts: [phage]
  users:
    phagemasteruser: {tags: [], permissions: {phage: ['.*', '.*', '.*']}}
    phageworkeruser: {tags: [], permissions: {phage: ['.*', '.*', '.*']}}
  # What is listed here is removed; users and vhosts that nothing lists stay.
  absent: {users: [guest], vhosts: []}
