"""The local engine: edits made on this machine's processors, in one warm child process per slot.

`engine`, `process`, `wire` and `models` are imported by the worker itself and load nothing native; everything below
`child` (the edits, `perception`, `pictures`) is imported in the child process only.
"""
