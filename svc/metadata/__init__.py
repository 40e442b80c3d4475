"""The authority on assets and instruments: what can be traded, in which steps, at which fees."""
