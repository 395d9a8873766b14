#!/usr/bin/env python3
import sys


def main() -> None:
    from django.core.management import execute_from_command_line

    from leadcrm.startup import refusal_in_one_line

    with refusal_in_one_line():
        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
