"""`python -m simlift` is the command line."""

from simlift.cli import main

main()
