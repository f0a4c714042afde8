"""The command `graphml federate`: runs a federation and leaves its numbers and figures in a folder."""
