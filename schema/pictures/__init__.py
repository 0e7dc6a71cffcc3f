"""What a picture's file says of it, read from segment to segment without decoding a pixel: pure, over a buffer."""
