"""Where the tests' databases keep their messages: all are clones of one, and so one installation."""

from uuid import UUID

from schema.messages import Keys

INSTALLATION = UUID(int=0x7E57)
KEYS = Keys(f"darkroom:{INSTALLATION.hex[:12]}", INSTALLATION.hex)
EDIT_KEYS = KEYS.queue()
