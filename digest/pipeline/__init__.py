"""Use cases: what the command line, the desk and the public pages share. Arguments in, values out."""
