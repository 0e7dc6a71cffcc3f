"""What many ask for at once, done once; and what is remembered of it, within bounds."""
