"""The error that commands show without a traceback."""


class UsageError(ValueError):
    """The user gave something that cannot be used. The message states what was received and what to do."""
