"""What a day of service came to."""
