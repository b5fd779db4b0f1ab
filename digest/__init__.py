"""dontmiss: articles come in, an editor's rules pick an issue, and each subscriber gets exactly one copy."""

__version__ = "0.1.0"
