# Passwords: credentials.sls. The application has a role of its own, named as phagescan:user, and without a password.
postgresql:
  roles:
    citestsuper: {createdb: true, superuser: true}
  databases:
    phage: {owner: citestsuper, extensions: [hstore, pg_trgm]}
