"""What is inside a sample: whether something may be is told by the worker (kinds); a sandbox opens it (opener, with
archives, documents and programs), and sends it in frames; the worker makes files of these (opening), and looks into
them in turn (inside).
"""
