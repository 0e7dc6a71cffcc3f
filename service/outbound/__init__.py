"""Requests to addresses that somebody else named: never into our own network, on a user's behalf.

Knows of nothing else here but how a URL is taken apart, so that engines may use it, too.
"""
