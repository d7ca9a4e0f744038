"""The checks can fail: the real product is broken on purpose, and scenarios have to notice."""
