"""The built-in test receiver: every webhook has an address of its own here, to practise with."""
