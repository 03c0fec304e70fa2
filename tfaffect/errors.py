"""The one error that commands show without a traceback."""


class UsageError(ValueError):
    """Something the user gave cannot be used; the message says what was received and what to do."""
