"""The pages for people: their source, what is built of it, and what serves that."""
