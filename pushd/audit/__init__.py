"""An independent client that checks what pushd promises: nothing missing, twice or out of order.

It shares no code with the server. ``python -m pushd.audit --help`` runs it as a tool.
"""
