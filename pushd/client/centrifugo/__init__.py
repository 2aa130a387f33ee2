"""Centrifugo's JSON protocol, version 2, so that its stock clients work against pushd as they are.

Bidirectional over a WebSocket (``session``), and unidirectional over a WebSocket or a stream of
server-sent events (``uni``). Pure parts: ``commands`` in, ``replies`` out, ``errors`` by code.
"""
