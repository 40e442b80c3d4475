"""The operator's program: what starts, fills, measures and empties a QuantaMesh of one machine."""

__version__ = "0.1.0"
