"""`hopmap up`: every part on one machine, started, watched and ended together."""
