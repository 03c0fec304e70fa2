"""The page of tfaffect/demo/ under the name that a checkout gives it."""
