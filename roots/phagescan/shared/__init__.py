"""What master and scan workers share. Nothing of Django or of the master is imported here: workers on other hosts have
neither its settings nor its database.
"""
