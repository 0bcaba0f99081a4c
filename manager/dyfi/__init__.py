"""Keeps a name of dy.fi pointing here."""
