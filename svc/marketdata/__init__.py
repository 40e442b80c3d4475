"""Public market data made from the engine's events: books, tape, tickers, candles."""
