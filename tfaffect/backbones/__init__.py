"""The networks below the embedding; a module is a value of the config's `architecture`."""
