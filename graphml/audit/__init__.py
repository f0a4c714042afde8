"""The command that attacks a federation under each of several defences, with its tables and chart."""
