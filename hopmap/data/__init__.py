"""Facts that come with hopmap: special-purpose addresses, cloud prefixes, origin AS, country, places.

Each module reads one table with the standard library alone. Addresses are integers (IPv4, 0 to 2**32 - 1).
"""
