# Comes after all else, and with a highstate only: one role alone, or one SLS, does not converge the host.
include:
  - settled

phagescan-version:
  phagescan.converged:
    - name: /etc/phagescan/version
    - order: last
    - require:
      - daemon: services-settled
{%- if 'master' in salt['phagescan.roles']() %}
      - rabbitmq_topology: rabbitmq-written
{%- endif %}
