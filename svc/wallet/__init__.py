"""The ledger: balances, holds, settlement of trades. Everything about money is decided here."""
