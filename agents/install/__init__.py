"""`install` and `uninstall` of the one file: the agent as a hardened systemd service."""
