"""The rules of the diagnosis, by what a Pod uses and by what is behind it.

Objects decide. Events and messages are quoted as evidence, with two exceptions, both the words of the
kernel or
of an admission check that no object repeats: FailedCreate, and "transport endpoint is not connected".
"""
