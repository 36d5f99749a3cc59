# A dpkg run that was killed is completed first; until then apt refuses everything.
apt-interrupted:
  cmd.run:
    - name: >-
        dpkg --configure -a --force-confdef --force-confold;
        apt-get --yes --fix-broken --option DPkg::Options::=--force-confold install
    - onlyif: test -n "$(dpkg --audit)$(ls /var/lib/dpkg/updates)"
    - env:
      - DEBIAN_FRONTEND: noninteractive
    - order: first
