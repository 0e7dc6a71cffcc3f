"""Text for logs and terminals in which nothing acts: control characters are spelled out instead of obeyed."""


def printable(text: str, *, keep: str = "") -> str:
    r"""The text with what can't be seen spelled as Python would (`\x1b`, `\n`, `\u202e`), but for those in `keep`."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in keep else _spelled(one) for one in text)


def _spelled(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
