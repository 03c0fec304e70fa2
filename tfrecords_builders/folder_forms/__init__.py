"""Forms in which people keep labelled pictures without a table: one module a form."""
