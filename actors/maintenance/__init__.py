"""The chores that one elected worker does for all: a file a chore."""
