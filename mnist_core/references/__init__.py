"""Other people's code, to be compared with; the only other place of `backward()`."""
