"""Ways to break the real product and to restore it afterwards."""
