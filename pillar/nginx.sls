nginx:
  # Where phagescan:tls is set: HTTPS on port 443, to which what listens below redirects.
  tls: phagescan.tls
  sites:
    phagescan:
      listen: 80
      server_name: _
      proxy: 127.0.0.1:9000
      static: {/static/: /var/lib/phagescan/static/}
      # A little more than phagescan:scan:max_size, so that the application itself says what is too large.
      client_max_body_size: 101m
      error_pages: {'413': /static/scaggr/413.html, '429': /static/scaggr/429.html, 502 503 504: /static/scaggr/down.html}
      # Logins of one address: 20 at once, and then one every 2 seconds.
      limit_req: {uris: [/login/, /admin/login/], rate: 30r/m, burst: 20}
