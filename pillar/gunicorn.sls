# User, group, directories, virtualenv and mode are those of phagescan (README, "One value once").
gunicorn:
  application: scaggr.wsgi
  bind: 127.0.0.1:9000
