rabbitmq:
  vhosts: [phage]
  users:
    phagemasteruser: {permissions: {phage: ['.*', '.*', '.*']}}
    phageworkeruser: {permissions: {phage: ['.*', '.*', '.*']}}
  absent: {users: [guest]}
postgresql:
  roles:
    citestsuper: {createdb: true, superuser: true}
  databases:
    phage: {owner: citestsuper, extensions: [hstore]}
nginx:
  sites:
    phagescan:
      listen: 80
      server_name: _
      proxy: 127.0.0.1:9000
      static: {}
      client_max_body_size: 1m
