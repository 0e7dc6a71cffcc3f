"""Engines that make edits elsewhere: one workflow engine, and a small driver for each kind of server."""
