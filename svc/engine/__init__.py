"""The matching engine: books, journal and the market that ties them together.

Owns the order of commands and events of a market. Invariant: events and state are a pure function
of the command log.
"""
