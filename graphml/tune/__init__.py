"""The command `graphml tune`: searches options by validation, and tests what it has found."""
