"""The way back: what changed here, in the old layout."""
