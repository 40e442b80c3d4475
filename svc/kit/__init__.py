"""What every service shares: calls, errors, data access, time. No business rules."""
