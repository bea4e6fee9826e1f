"""Bills for electricity."""
