#!yaml
include:
  - postgresql.install
  - postgresql.service
  - postgresql.topology
