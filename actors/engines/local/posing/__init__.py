"""POSE_CHANGE: the same person, standing otherwise."""
