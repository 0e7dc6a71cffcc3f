"""Who does the work: Dramatiq actors, the engines, the chores. Nobody imports this but the command line."""
