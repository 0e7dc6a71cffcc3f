"""What is in a picture: faces, the pose of a person, a matte, clean foreground colours. Functions on arrays."""
