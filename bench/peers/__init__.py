"""The servers that are measured: one small program each, all with the contract of ``contract.py``."""
