"""What is told to people and logs: in which words, without secrets, and where to."""
