"""The benchmark of pushd and its peers: ``python -m bench``."""
