# The site passes on to gunicorn:bind, serves phagescan:static_root and takes what phagescan:scan:max_size allows. Where
# phagescan:tls is set it is HTTPS on port 443 (nginx:tls_port), to which what listens here redirects.
nginx:
  sites:
    phagescan:
      listen: 80
      server_name: _
      error_pages:
        '413': /static/scaggr/413.html
        '429': /static/scaggr/429.html
        502 503 504: /static/scaggr/down.html
      # Logins of one address: 20 at once, and then one every 2 seconds.
      limit_req: {uris: [/login/, /admin/login/], rate: 30r/m, burst: 20}
