# Comes last, whatever the roles: what was started must stay up.
services-settled:
  daemon.settled:
    - order: last
