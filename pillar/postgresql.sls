# Passwords: credentials.sls.
postgresql:
  port: 5432
  roles:
    citestsuper: {createdb: true, superuser: true}
  databases:
    phage: {owner: citestsuper, extensions: [hstore]}
