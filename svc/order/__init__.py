"""Orders: intake, life and history."""
