"""``python -m service`` is ``donewatch``."""

from service.cli import main

if __name__ == "__main__":
    main()
