#!yaml
# Comes before all else, and ends the run where it would take what is somebody's.
phagescan-ownership:
  phagescan.owned:
    - name: /etc/phagescan.owned
    - order: first
    - failhard: True
