"""The entry point: answers ``--version`` before anything is loaded."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line; returns the exit code."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        from digest import __version__

        sys.stdout.write(f"digest {__version__}\n")
        return 0
    from digest.cli.edge import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
