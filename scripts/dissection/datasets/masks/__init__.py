"""Images with masks of your own in, a folder in Broden's format out."""
