"""BACKGROUND_CHANGE: the person stays, what is behind goes."""
