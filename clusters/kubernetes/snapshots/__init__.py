"""Objects of a cluster at one moment: typed, frozen, complete with default values.

API objects are often partial, so a missing field is an empty value, never an error.
``str()`` of a snapshot is the short text that a wait logs and that a failure shows.
"""
