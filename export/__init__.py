"""The commands of tfaffect/export/ under the names that a checkout gives them."""
