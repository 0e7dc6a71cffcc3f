"""Out of the old system into this one: users and tasks, files, and what waits there."""
