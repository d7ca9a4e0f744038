"""Many runs together: history, flakiness, overview."""
