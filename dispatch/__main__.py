"""`python -m dispatch`, the same as `dispatch`."""

from dispatch.cli import main

main()
