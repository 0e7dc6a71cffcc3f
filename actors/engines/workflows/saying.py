"""What a node said of its failure, made fit for the person who sent the photo; all of it is for the log."""

import re
from typing import Final

LONGEST: Final = 200

READ: Final = 2000
"""Characters of what is said that are looked at: a node may put a whole picture into its words."""

UNTOLD: Final = "The engine couldn't make this edit. Try another photo, or tell whoever runs this server."

_TRACEBACK = re.compile(
    r"traceback \(most recent call last\).*|^\s*file \".*", re.IGNORECASE | re.DOTALL | re.MULTILINE
)
_CLASS = re.compile(r"\b(?:\w+\.)*\w*(?:Error|Exception)\b:?\s*")
_HIDDEN = re.compile(
    r"\w+://\S+"  # URLs, which may hold a key
    r"|(?<![\w.])(?:[A-Za-z]:)?[\\/]\S+(?: \S+\.\w{2,12}\b)?"  # paths, with a space in the file's name
    r"|(?<!\S)\S+[\\/]\S*\.\w{2,12}\b"  # and files in directories, looked for once in each word
    r"|\b(?=\w*\d)[\w-]{20,}"  # keys, tokens, ids
)


def told(node: str, message: str) -> str:
    """One sentence with the node's name and its message: no path, URL, class, traceback or key.

    `node` is its title, or its type where it has none.
    """
    plain = " ".join(_plain(message).split())
    name = " ".join(_plain(node).split())
    if not re.search(r"\w{2}", plain):
        return UNTOLD
    short = plain if len(plain) <= LONGEST else f"{plain[:LONGEST].rstrip()}..."
    return (
        f"The engine couldn't make this edit. {name}: {short}"
        if name
        else f"The engine couldn't make this edit: {short}"
    )


def _plain(text: str) -> str:
    if len(text) > READ:
        text = "".join(text[:READ].rsplit(maxsplit=1)[:1])  # without the word that is cut
    return _HIDDEN.sub("…", _CLASS.sub("", _TRACEBACK.sub("", text)))
