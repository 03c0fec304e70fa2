"""The earlier name of tfaffect/demo/, for `python -m demo` in a checkout."""
