# passwords.sls and extra.sls are made by bench/run.
base:
  '*':
    - ignore_missing: True
    - job
    - passwords
    - extra
