"""Who may use a node: keys, one-time links, sessions, and the record of what each did."""
