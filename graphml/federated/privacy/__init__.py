"""Privacy of federations on graphs: attacks that measure what leaks, and defences against them."""
