#!yaml
# Comes early: systemd answers while other things are looked at.
services-asked:
  daemon.asked:
    - order: 1

# Comes last, whatever the roles: what was left to be started together is started, and what was started must stay up.
services-settled:
  daemon.settled:
    - order: last
