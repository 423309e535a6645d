"""Model adapters: what turns units of work into videos."""
