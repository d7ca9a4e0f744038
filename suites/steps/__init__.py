"""What a user does, what is observed, and what must hold."""
