# Stands in for the roles while something is wrong: says what, and touches nothing.
{%- for fault in salt['phagescan.faults']() %}
phagescan-fault-{{ loop.index }}:
  phagescan.refused:
    - name: {{ fault | tojson }}
{%- endfor %}
