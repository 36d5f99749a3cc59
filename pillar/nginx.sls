nginx:
  sites:
    phagescan:
      listen: 80
      server_name: _
      proxy: 127.0.0.1:9000
      static: {/static/: /var/lib/phagescan/static/}
      client_max_body_size: 101m
