"""The earlier names of the commands in tfaffect/export/, for a checkout."""
