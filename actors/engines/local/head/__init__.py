"""HEAD_SWAP: a figure wears somebody else's head."""
