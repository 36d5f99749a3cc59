# A scan worker: Phagescan's code and its broker login, and no database.
include:
  - apt
  - application.worker
