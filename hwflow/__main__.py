"""`python -m hwflow` is the command line.

Stands on cli.
"""

from hwflow.cli import main

main()
