"""`hopmap ping` and `hopmap trace`: measuring by hand, for people at a terminal."""
