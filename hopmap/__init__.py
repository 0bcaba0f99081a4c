"""hopmap maps the routes of the internet."""

__version__ = "0.1.0"
