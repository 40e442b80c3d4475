"""Calls between services of one process. svc.kit.channel is the way in."""
