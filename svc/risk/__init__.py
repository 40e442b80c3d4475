"""Checks before an order is taken, and the switches that stop trading."""
