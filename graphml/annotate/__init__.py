"""The command ``graphml annotate``: emotions of conversations, as a table and as a page that people look at."""
