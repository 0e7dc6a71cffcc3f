"""What can go wrong with servers and processes of our own, told in one line."""


class EmbeddedError(Exception):
    """Something of the stack can't run; the message is one line for a person and holds no password."""
