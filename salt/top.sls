# What this host is. Roles come from pillar (phagescan:roles) or the grain `roles`; the default is both.
# A fault in pillar or host stops the run here, before any state.
{%- set faults = salt['phagescan.faults']() %}
base:
  '*':
{%- if faults %}
    - faults
{%- else %}
{%- for role in salt['phagescan.roles']() %}
    - {{ role }}
{%- endfor %}
    - version
{%- endif %}
