"""The services of the exchange, one package each."""
