"""The fleet: which nodes there are, how they do, what they are told, who is called when they fail."""
