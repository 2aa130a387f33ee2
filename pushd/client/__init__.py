"""The public port: from a socket to a session, and from the hub's bytes back to the socket."""
