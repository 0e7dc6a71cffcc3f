"""What a process is given by its machine, and what it owes whoever started it."""
