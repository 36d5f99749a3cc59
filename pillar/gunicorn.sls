# User, group, directories, virtualenv and mode are those of phagescan (README, "One value once").
gunicorn:
  application: scaggr.wsgi
  # Clients on this host come to the port, nginx by the socket.
  bind: 127.0.0.1:9000
  socket: /run/gunicorn/proxy/socket
