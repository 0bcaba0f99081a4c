"""Who may come in: users over the vault, sessions, one-time links, and the gate before every page."""
