#!yaml
# A dpkg run that was killed is completed first; until then apt refuses everything.
apt-interrupted:
  dpkg.configured:
    - order: 1
