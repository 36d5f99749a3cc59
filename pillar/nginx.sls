# The site passes on to gunicorn:socket (to gunicorn:bind in mode development), serves phagescan:static_root and takes
# uploads that phagescan:scan:max_size allows. Where phagescan:tls is set it is HTTPS on port 443 (nginx:tls_port), to
# which what listens here redirects other hosts.
nginx:
  sites:
    phagescan:
      listen: 80
      server_name: _
      client_max_body_size: 1m
      # More, from who is logged in or has a token.
      uploads:
        uris: {/upload/: /static/scaggr/401.html, /api/samples: /static/scaggr/401.json}
        full: {/upload/: /static/scaggr/507.html, /api/samples: /static/scaggr/507.json}
        authorize: /upload/authorize/
        simultaneous: 64
      # Of one address, each.
      limits: {connections: 100, requests: 200r/s, burst: 400}
      error_pages:
        '413': /static/scaggr/413.html
        '429': /static/scaggr/429.html
        500 502 503 504: /static/scaggr/down.html
      # Logins of one address: 20 at once, and then one every 2 seconds.
      limit_req: {uris: [/login/, /admin/login/], rate: 30r/m, burst: 20}
