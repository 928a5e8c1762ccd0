"""Random distortions of a batch of images, one family a file."""
