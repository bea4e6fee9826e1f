"""`python -m alatau_sim` is the `alatau` command."""

from alatau_sim.cli import main

if __name__ == "__main__":
    main()
