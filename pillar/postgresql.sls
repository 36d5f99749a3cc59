# Passwords: credentials.sls.
postgresql:
  roles:
    citestsuper: {createdb: true, superuser: true}
  databases:
    phage: {owner: citestsuper, extensions: [hstore]}
