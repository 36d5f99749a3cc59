rabbitmq:
  vhosts: [phage]
  users:
    phagemasteruser: {permissions: {phage: ['.*', '.*', '.*']}}
    phageworkeruser: {permissions: {phage: ['.*', '.*', '.*']}}
postgresql:
  roles:
    citestsuper: {createdb: true, superuser: true}
  databases:
    phage: {owner: citestsuper, extensions: [hstore]}
nginx:
  sites:
    phagescan: {listen: 80, upstream: '127.0.0.1:9000'}
