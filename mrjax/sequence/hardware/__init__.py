"""What a scanner can play."""
