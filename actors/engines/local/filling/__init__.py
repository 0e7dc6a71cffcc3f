"""Holes filled from what is around them: smoothly, or with its texture."""
