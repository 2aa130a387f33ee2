"""The control port: a line-based protocol for people with telnet."""
