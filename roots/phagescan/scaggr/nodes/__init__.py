"""The nodes: who speaks for one, what they report, and the beat."""
