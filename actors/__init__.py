"""Who does the work: Dramatiq actors, the engines, the sweep. Nobody imports this but the command line."""
