"""The command line: people in, calls out. A command parses, calls a use case, and prints."""
