"""Small raw trees of every corpus, in every layout, with the defects that are known: a module a corpus."""
