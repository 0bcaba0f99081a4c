"""Self-update of the one file: fetched, tested, put on trial, proven or rolled back."""
