"""Several managers under one name: one leads, the others stand by and take over when it is gone."""
